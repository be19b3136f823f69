"""The list of photos, each in its split.

config.data -> files and classes (folders, manifest), without those to leave out -> hash of every file -> groups -> split
-> Listing -> split.csv -> Listing
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from inference.harmless import text_of_cell
from training.data.audited import leave_out, read_groups, together
from training.data.every_class import check_every_class
from training.data.folders import in_folders, left_out
from training.data.hashing import hash_files
from training.data.manifest import in_manifest, is_manifest
from training.data.names import nearly_equal
from training.data.records import LabelledFile, Listing, OnCount, Photo, Split, uncounted
from training.data.sources import FETCHED, find_data, photos_folder
from training.data.split import draw_fold, draw_test, draw_validation
from training.data.split_names import ORDER
from training.data.tables import read_table, write_rows
from training.data.walking import opened
from training.errors import WrongInput, why
from training.sentences import plural
from training.settings.config import TrainConfig

__all__ = ["Listing", "Photo", "Split", "check_every_class", "list_photos", "read_split", "split_rows", "write_split"]
SPLITS: dict[str, Split] = {split: split for split in ORDER}
SPLIT_COLUMNS = ["split", "label", "path", "sha256"]


def list_photos(
    config: TrainConfig,
    *,
    on_count: OnCount = uncounted,
    on_note: Callable[[str], None] = lambda _: None,
    fetched: Path = FETCHED,
) -> Listing:
    """Every photo of `config.data`, hashed and split; nothing is decoded.

    If the data has validation or test photos, these are used, and `validation_share` or `test_share` is ignored. Else
    test photos are drawn first, the same for every seed, then validation photos by seed, or one of `folds` (by default
    the first). With `config.split`, the photos are those of that file alone.
    The same data gives the same split on every machine. Raises WrongInput if there is nothing to learn from.

    With `config.groups`, whole groups are drawn. The data's own splits do not change: if a group has a photo in the data's
    validation or test split, the others of the group train; `config.exclude` is for such leaks. Photos in `config.exclude`
    are in no split, and `on_note` gets their number.
    """
    if config.split is not None:
        listing = read_split(config.split, config.data, on_count=on_count, fetched=fetched)
    else:
        classes, files, notes = _found(find_data(config.data, on_count=on_count, fetched=fetched))
        for note in (*notes, *nearly_equal(classes)):
            on_note(note)
        groups = {} if config.groups is None else read_groups(config.groups, files)
        if config.exclude is not None:
            files, sentence = leave_out(files, config.exclude)
            on_note(sentence)
        listing = _divided(config, _hashed(classes, files, on_count), groups)
    check_every_class(listing)
    return listing


def write_split(listing: Listing, path: Path) -> None:
    """Freeze the split as a file: split, label, path, sha256, one line per photo."""
    rows = ([photo.split, listing.classes[photo.label], photo.relative, photo.sha256] for photo in listing.photos)
    write_rows(path, SPLIT_COLUMNS, rows, exact=True)


def read_split(
    path: Path, data: str, *, only: Split | None = None, on_count: OnCount = uncounted, fetched: Path = FETCHED
) -> Listing:
    """The listing in a run's split.csv, its photos found in `data`; with `only`, those of one split alone.

    Raises WrongInput if a photo is gone or its bytes are others: the message counts them and names the first.
    """
    rows = split_rows(path)
    classes = tuple(sorted({row["label"] for row in rows}))
    rows = [row for row in rows if only in (None, row["split"])]
    folder = photos_folder(data, on_count=on_count, fetched=fetched)
    with opened():
        present = [(folder / row["path"]).is_file() for row in rows]
    there = [row for row, is_there in zip(rows, present, strict=True) if is_there]
    hashes = hash_files([folder / row["path"] for row in there], on_count)
    gone = [row["path"] for row, is_there in zip(rows, present, strict=True) if not is_there]
    changed = [row["path"] for row, sha256 in zip(there, hashes, strict=True) if sha256 != row["sha256"]]
    if gone or changed:
        raise WrongInput(
            f"{_count_lost(gone, changed, data)} since {path} was written. Bring them back, or do without the file."
        )
    photos = [
        Photo(folder / row["path"], row["path"], classes.index(row["label"]), row["sha256"], SPLITS[row["split"]])
        for row in rows
    ]
    return Listing(classes, tuple(photos))


def _found(place: Path) -> tuple[tuple[str, ...], list[LabelledFile], list[str]]:
    """The classes and files, and notes about files in no class."""
    with opened():
        if is_manifest(place.name) and not place.is_dir():
            return *in_manifest(place), []
    return *in_folders(place), left_out(place)


def _hashed(classes: tuple[str, ...], files: Sequence[LabelledFile], on_count: OnCount) -> Listing:
    """The photos in the data's own splits, `train` if it has none."""
    labels = {name: label for label, name in enumerate(classes)}
    hashes = hash_files([found.path for found in files], on_count)
    photos = [
        Photo(found.path, found.relative, labels[found.label], sha256, found.split)
        for found, sha256 in zip(files, hashes, strict=True)
    ]
    return Listing(classes, tuple(photos))


def _divided(config: TrainConfig, found: Listing, groups: Mapping[str, str]) -> Listing:
    brought = Counter(photo.split for photo in found.photos)
    photos: Sequence[Photo] = found.photos
    stays = together(photos, groups)
    if config.folds is not None and brought["validation"]:
        raise WrongInput(
            f"folds = {config.folds}, but the data has its own {plural(brought['validation'], 'validation photo')}."
            " Leave folds out, or give data without a validation folder or split."
        )
    if not brought["test"]:
        photos = draw_test(photos, config.test_share, stays)
    if config.folds is not None:
        photos = draw_fold(photos, config.folds, config.fold or 0, config.seed, found.classes, stays)
    elif not brought["validation"]:
        photos = draw_validation(photos, config.validation_share, config.seed, stays)
        _check_groups_divide(config, found.classes, photos)
    return Listing(found.classes, tuple(photos))


def _check_groups_divide(config: TrainConfig, classes: Sequence[str], photos: Sequence[Photo]) -> None:
    """WrongInput if groups leave no photo of a class to validate."""
    counts = Counter((photo.label, photo.split) for photo in photos)
    for label, name in enumerate(classes):
        if config.groups is not None and counts[label, "train"] > 1 and not counts[label, "validation"]:
            raise WrongInput(
                f"groups = {config.groups}: class {name!r} lies in one group, or in groups with other classes or test"
                " photos, which always train, so it has no validation photos. Make smaller groups, or add photos."
            )


def split_rows(path: Path) -> list[dict[str, str]]:
    """The lines of a split.csv, in their order, whether or not the photos exist; WrongInput if it is no split.csv."""
    try:
        with path.open(newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
            reader = read_table(file)
            if reader.fieldnames != SPLIT_COLUMNS:
                raise WrongInput(f"{path} is no split of a run: its first line is not split,label,path,sha256.")
            rows = list(reader)
    except (OSError, csv.Error) as error:
        raise WrongInput(f"{path} cannot be read ({why(error)}). Give the split.csv of a run folder.") from error
    for line, row in enumerate(rows, start=2):
        if None in row.values() or row["split"] not in SPLITS:
            raise WrongInput(f"{path}, line {line}: this is no photo's split, label, path and sha256.")
    return [{name: text_of_cell(cell) for name, cell in row.items()} for row in rows]


def _count_lost(gone: Sequence[str], changed: Sequence[str], data: str) -> str:
    parts = []
    if gone:
        parts.append(f"{plural(len(gone), 'photo')} {'is' if len(gone) == 1 else 'are'} gone from {data}, as {gone[0]}")
    if changed:
        have = "has" if len(changed) == 1 else "have"
        parts.append(f"{plural(len(changed), 'photo')} {have} other bytes in {data}, as {changed[0]}")
    return ", and ".join(parts)
