"""Which photos there are, and which of them train and which validate.

DATA/CLASS/* -> hash of every file -> split -> Listing -> split.csv
"""

from __future__ import annotations

import csv
import hashlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from imagefile.content import file_sha256
from training.errors import WrongInput

Split = Literal["train", "validation"]
VALIDATION_FOLDERS = ("validation", "val", "valid")


@dataclass(frozen=True)
class Photo:
    """One file of the data set."""

    path: Path
    relative: str  # to the data folder, with forward slashes
    label: int
    sha256: str
    split: Split


@dataclass(frozen=True)
class Listing:
    """The data set: class names in the order of the logits, and every photo."""

    classes: tuple[str, ...]
    photos: tuple[Photo, ...]

    def of(self, split: Split) -> list[Photo]:
        """The photos of one split, in the listing's order."""
        return [photo for photo in self.photos if photo.split == split]

    @property
    def fingerprint(self) -> str:
        """sha256 over every photo's relative path and sha256, sorted: equal for equal data, wherever it lies."""
        lines = sorted(f"{photo.relative}\0{photo.sha256}\n" for photo in self.photos)
        return hashlib.sha256("".join(lines).encode()).hexdigest()


def list_photos(data: Path, *, validation_share: float, seed: int) -> Listing:
    """Every file under the class folders of `data`, hashed and split.

    A validation folder is taken as it is. Without one, `validation_share` of every class is set aside, the same files
    for the same seed on every machine; files with the same bytes stay on the same side. A `test` folder is never read.
    Raises WrongInput where there is nothing to learn from.
    """
    train, validation = _roots(data)
    classes = _classes(train)
    photos = [photo for label, name in enumerate(classes) for photo in _photos(data, train / name, label, "train")]
    if validation is None:
        photos = list(_split(photos, validation_share, seed))
    else:
        strangers = set(_folders(validation)) - set(classes)
        if strangers:
            raise WrongInput(
                f"{validation / min(strangers)} has no class of that name in {train}. Rename or remove it."
            )
        for label, name in enumerate(classes):
            photos += _photos(data, validation / name, label, "validation")
    listing = Listing(classes, tuple(photos))
    check_every_class(listing)
    return listing


def check_every_class(listing: Listing) -> None:
    """WrongInput where a class has no photo to train on, or none to validate on."""
    for split in ("train", "validation"):
        present = {photo.label for photo in listing.of(split)}
        for label, name in enumerate(listing.classes):
            if label not in present:
                raise WrongInput(f"Class {name!r} has no readable photo for {split}. Add photos, or remove its folder.")


def write_split(listing: Listing, path: Path) -> None:
    """Freeze the split as a file: split, label, path, sha256, one line per photo."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["split", "label", "path", "sha256"])
        for photo in listing.photos:
            writer.writerow([photo.split, listing.classes[photo.label], photo.relative, photo.sha256])


def _roots(data: Path) -> tuple[Path, Path | None]:
    if not data.is_dir():
        raise WrongInput(f"{data} is no folder. Give a folder with one sub-folder of photos per class.")
    if not (data / "train").is_dir():
        return data, None
    validation = [data / name for name in VALIDATION_FOLDERS if (data / name).is_dir()]
    return data / "train", validation[0] if validation else None


def _folders(root: Path) -> list[str]:
    return sorted(folder.name for folder in root.iterdir() if folder.is_dir() and not folder.name.startswith("."))


def _classes(root: Path) -> tuple[str, ...]:
    classes = _folders(root)
    if not classes:
        raise WrongInput(f"{root} has no class folders. Put the photos of each class into a sub-folder named after it.")
    if len(classes) == 1:
        raise WrongInput(f"{root} has only one class, {classes[0]!r}. Add a folder of photos of something else.")
    return tuple(classes)


def _photos(data: Path, folder: Path, label: int, split: Split) -> Iterable[Photo]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.name.startswith("."):
            yield Photo(path, path.relative_to(data).as_posix(), label, file_sha256(path), split)


def _split(photos: list[Photo], share: float, seed: int) -> Iterable[Photo]:
    """Stratified; the order of the draw is a hash of seed and content, so that neither names nor the system matter."""
    same: dict[tuple[int, str], list[Photo]] = defaultdict(list)
    for photo in photos:
        same[photo.label, photo.sha256].append(photo)
    drawn = sorted(same, key=lambda key: (key[0], hashlib.sha256(f"{seed}:{key[1]}".encode()).digest()))
    sizes: dict[int, int] = defaultdict(int)
    for photo in photos:
        sizes[photo.label] += 1
    taken: dict[int, int] = defaultdict(int)
    for label, sha256 in drawn:
        group = same[label, sha256]
        validates = taken[label] < max(1, round(share * sizes[label])) and len(group) < sizes[label] - taken[label]
        taken[label] += len(group) if validates else 0
        for photo in group:
            split: Split = "validation" if validates else "train"
            yield Photo(photo.path, photo.relative, photo.label, photo.sha256, split)
