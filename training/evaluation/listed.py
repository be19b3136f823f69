"""The photos of an evaluation with their true classes: a split of the run, or photos that a person gives.

RUN/split.csv + config.yaml, or DATA/CLASS/*, or a manifest -> photos
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from training.data import torchvision_sets
from training.data.audited import spelled
from training.data.listing import read_split, split_rows
from training.data.manifest import is_manifest, read_rows
from training.data.records import Split
from training.data.s3 import SCHEME
from training.data.sources import find_data
from training.data.walking import files_under, folders_in, opened
from training.errors import WrongInput
from training.settings.config import read_yaml

SPLIT_FILE = "split.csv"
SPLITS: dict[str, Split] = {"train": "train", "validation": "validation", "test": "test"}
READABLE = 60  # letters of a folder's name that are a person's, before the hash


@dataclass(frozen=True)
class LabelledPhoto:
    """A photo with its true class; `sha256` is None before the file is read."""

    path: Path
    name: str  # relative to the data, with forward slashes
    label: int
    sha256: str | None


def resolve_split(run_folder: Path, split: str) -> str:
    """`auto` is test if split.csv has one, else validation; WrongInput if the run has no such split."""
    if split not in ("auto", *SPLITS):
        raise WrongInput(f"--split {split}: use auto, train, validation or test.")
    present = {row["split"] for row in split_rows(run_folder / SPLIT_FILE)}
    if split == "auto":
        return "test" if "test" in present else "validation"
    if split not in present:
        raise WrongInput(f"{run_folder} has no {split} split: it has {', '.join(sorted(present))}.")
    return split


def photos_of_run(run_folder: Path, split: str, classes: tuple[str, ...]) -> list[LabelledPhoto]:
    """The photos of one split of the run, in the order of split.csv.

    Raises WrongInput if some are gone or have other bytes now: it says how many, and names the first.
    """
    numbers = {name: number for number, name in enumerate(classes)}
    file = run_folder / SPLIT_FILE
    data = str(read_yaml(run_folder / "config.yaml").get("data"))
    listing = read_split(file, data, only=SPLITS[split])
    names = [_number(numbers, name, file) for name in listing.classes]
    return [LabelledPhoto(photo.path, photo.relative, names[photo.label], photo.sha256) for photo in listing.photos]


def photos_of_person(data: str, classes: tuple[str, ...]) -> list[LabelledPhoto]:
    """The photos in DATA/CLASS/*, or in a CSV or JSONL manifest with `path` and `label`; DATA may be an s3:// address.

    Hidden files and folders are no photos. Some classes may be missing. WrongInput names a class that the model does not know.
    """
    numbers = {name: number for number, name in enumerate(classes)}
    place = find_data(data)
    if place.is_dir():
        photos = list(_in_folders(place, numbers))
    elif place.is_file() and is_manifest(place.name):
        photos = list(_in_manifest(place, numbers))
    else:
        raise WrongInput(
            f"--data {data}: give a folder with a sub-folder per class, or a .csv or .jsonl with path and label."
        )
    if not photos:
        raise WrongInput(f"--data {data} holds no photos. Put those of each class into a sub-folder named after it.")
    return photos


def learnt_of(run_folder: Path) -> frozenset[str]:
    """sha256 of every photo that the run learnt from."""
    return frozenset(row["sha256"] for row in split_rows(run_folder / SPLIT_FILE) if row["split"] == "train")


def place_of(data: str) -> str:
    """The name of a person's data in records, the same from every working directory and never the name of a split.

    It is the whole path; an s3:// address and a name of torchvision's stay as they are.
    """
    known = data.startswith(SCHEME) or data in torchvision_sets.NAMES
    return spelled(data if known else str(Path(data).resolve()))


def evaluation_folder(run_folder: Path, split: str) -> Path:
    """The folder in a run folder for the evaluation of a split or of a person's data, by `Evaluation.split`."""
    return run_folder / "evaluation" / folder_name(split)


def folder_name(split: str) -> str:
    """The folder under RUN/evaluation of `Evaluation.split`: the split's name, or one that only this place has."""
    if split in SPLITS:
        return split
    place = place_of(split)
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", PurePosixPath(place).name).strip("-.")[:READABLE]
    return "-".join(part for part in ("data", name, hashlib.sha256(place.encode()).hexdigest()[:8]) if part)


def _in_folders(data: Path, numbers: Mapping[str, int]) -> Iterator[LabelledPhoto]:
    with opened():
        for name in folders_in(data):
            label = _number(numbers, name, data)
            for path in map(Path, files_under(data / name)):
                yield LabelledPhoto(path, path.relative_to(data).as_posix(), label, None)


def _in_manifest(manifest: Path, numbers: Mapping[str, int]) -> Iterator[LabelledPhoto]:
    for row in read_rows(manifest):
        yield LabelledPhoto(manifest.parent / row.path, row.path, _number(numbers, row.label, manifest), None)


def _number(numbers: Mapping[str, int], label: str, where: Path) -> int:
    if label not in numbers:
        known = ", ".join(list(numbers)[:20]) + (", ..." if len(numbers) > 20 else "")
        raise WrongInput(f"{where} has the class {label!r}, which the model does not know. It knows {known}.")
    return numbers[label]
