"""Which files an audit looks at: all that a training would, and no demand on any of them.

DATA (training.data.sources) -> class folders, or a manifest, or the split.csv of a run -> File
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from training.data.audited import spelled
from training.data.folders import split_folders
from training.data.manifest import is_manifest, read_rows
from training.data.sources import FETCHED, find_data, photos_folder
from training.data.tables import read_table
from training.data.walking import files_under, folders_in, opened
from training.errors import WrongInput

NO_SPLIT = "all"  # what photos are in that nobody has split yet


@dataclass(frozen=True)
class File:
    """One file of the data set."""

    path: Path
    relative: str  # to the data folder, with forward slashes; what is no UTF-8 in it is replaced
    label: str
    split: str
    sha256: str | None = None  # as a split.csv says it was


@dataclass(frozen=True)
class Found:
    """The files of a data set, its classes also where they are empty, and in words where the splits come from."""

    classes: tuple[str, ...]
    files: tuple[File, ...]
    split: str


def find_files(data: str, split: Path | None = None, *, fetched: Path = FETCHED) -> Found:
    """Every file of the data set; a class without photos, or a single class, is for the audit to tell.

    With `split`, the files that this split.csv names, whether they are there or not. WrongInput where there is none.
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


def _of_folders(data: Path) -> Found:
    with opened():
        roots: dict[str, Path] = dict[str, Path](split_folders(data).items()) or {NO_SPLIT: data}
        files = tuple(file for split, root in roots.items() for file in _under(data, root, split))
        classes = sorted({spelled(name) for root in roots.values() for name in folders_in(root)})
    return Found(tuple(classes), files, "none yet" if NO_SPLIT in roots else "the folders' names")


def _under(data: Path, root: Path, split: str) -> Iterator[File]:
    for label in folders_in(root):
        for path in sorted(map(Path, files_under(root / label))):
            yield File(path, spelled(path.relative_to(data).as_posix()), spelled(label), split)


def _of_manifest(manifest: Path) -> Found:
    rows = read_rows(manifest)
    no_split = all(row.split == "train" for row in rows)
    files = tuple(
        File(manifest.parent / row.path, spelled(row.path), row.label, NO_SPLIT if no_split else row.split)
        for row in rows
    )
    return Found(tuple(sorted({row.label for row in rows})), files, "none yet" if no_split else spelled(str(manifest)))


def _of_split(data: Path, split: Path) -> Found:
    try:
        with split.open(newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
            rows = list(read_table(file))
        files = [
            File(data / row["path"], spelled(row["path"]), spelled(row["label"]), row["split"], row["sha256"])
            for row in rows
        ]
    except (OSError, csv.Error, KeyError, TypeError) as error:
        raise WrongInput(f"{split} is no split.csv of a run ({error}). Give that of a run folder.") from error
    return Found(tuple(sorted({file.label for file in files})), tuple(files), spelled(str(split)))
