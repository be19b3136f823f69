"""The files of an audit: all that a training would read, broken or not.

DATA (training.data.sources) -> class folders, or a manifest, or the split.csv of a run -> AuditedFile
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from training.data.audited import spelled
from training.data.folders import split_folders
from training.data.listing import split_rows
from training.data.manifest import is_manifest, read_rows
from training.data.sources import FETCHED, find_data, photos_folder
from training.data.walking import files_under, folders_in, opened
from training.errors import WrongInput

NO_SPLIT = "all"  # the split of photos that are not split yet


@dataclass(frozen=True)
class AuditedFile:
    """One file of the data set."""

    path: Path
    relative: str  # to the data folder, with forward slashes; what is no UTF-8 in it is replaced
    label: str
    split: str
    sha256: str | None = None  # of a split.csv


@dataclass(frozen=True)
class AuditedData:
    """The files of a data set, its classes including empty ones, and the origin of its splits in words."""

    classes: tuple[str, ...]
    files: tuple[AuditedFile, ...]
    split: str


def find_files(data: str, split: Path | None = None, *, fetched: Path = FETCHED) -> AuditedData:
    """Every file of the data set, also if a class has no photos or there is only one class.

    With `split`, the files that this split.csv names, whether they exist or not. WrongInput if there is no file.
    """
    if split is not None:
        found = _of_split(photos_folder(data, fetched=fetched), split)
    else:
        place = find_data(data, fetched=fetched)
        with opened():
            is_table = is_manifest(place.name) and not place.is_dir()
        found = _of_manifest(place) if is_table else _of_folders(place)
    if not found.files:
        raise WrongInput(f"{split or data} names no photo. Put those of each class into a folder of the class's name.")
    return found


def _of_folders(data: Path) -> AuditedData:
    with opened():
        roots: dict[str, Path] = dict[str, Path](split_folders(data).items()) or {NO_SPLIT: data}
        files = tuple(file for split, root in roots.items() for file in _under(data, root, split))
        classes = sorted({spelled(name) for root in roots.values() for name in folders_in(root)})
    return AuditedData(tuple(classes), files, "none yet" if NO_SPLIT in roots else "the folders' names")


def _under(data: Path, root: Path, split: str) -> Iterator[AuditedFile]:
    for label in folders_in(root):
        for path in sorted(map(Path, files_under(root / label))):
            yield AuditedFile(path, spelled(path.relative_to(data).as_posix()), spelled(label), split)


def _of_manifest(manifest: Path) -> AuditedData:
    rows = read_rows(manifest)
    no_split = all(row.split == "train" for row in rows)
    files = tuple(
        AuditedFile(manifest.parent / row.path, spelled(row.path), row.label, NO_SPLIT if no_split else row.split)
        for row in rows
    )
    return AuditedData(
        tuple(sorted({row.label for row in rows})), files, "none yet" if no_split else spelled(str(manifest))
    )


def _of_split(data: Path, split: Path) -> AuditedData:
    files = tuple(
        AuditedFile(data / row["path"], spelled(row["path"]), spelled(row["label"]), row["split"], row["sha256"])
        for row in split_rows(split)
    )
    return AuditedData(tuple(sorted({file.label for file in files})), files, spelled(str(split)))
