"""A folder per class, as it is or under train, validation and test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from training.data.records import Found, Split
from training.errors import WrongInput

VALIDATION_FOLDERS = ("validation", "val", "valid")


def in_folders(data: Path) -> tuple[tuple[str, ...], list[Found]]:
    """The classes, sorted, and every file under their folders; hidden files and folders are no photos.

    Either DATA/CLASS/* or DATA/train/CLASS/* with, perhaps, a validation and a test folder beside it. Raises WrongInput
    where there is nothing to learn from, or a class that has no folder to train on.
    """
    with _opened():
        if not data.is_dir():
            raise WrongInput(
                f"{data} is no folder. Give a folder with one sub-folder of photos per class, a CSV or JSONL manifest,"
                " s3://bucket/prefix, or a data set of torchvision by name, as cifar10."
            )
        roots = _roots(data)
        train = roots[0][0]
        classes = _classes(train)
        files: list[Found] = []
        for root, split in roots:
            if strangers := set(_folders(root)) - set(classes):
                raise WrongInput(f"{root / min(strangers)} has no class of that name in {train}. Rename or remove it.")
            files += [found for label in classes for found in _files(data, root / label, label, split)]
        return classes, files


@contextmanager
def _opened() -> Iterator[None]:
    try:
        yield
    except PermissionError as error:
        raise WrongInput(
            f"{error.filename} may not be opened. Give yourself the right to read it, or remove it."
        ) from error


def _roots(data: Path) -> list[tuple[Path, Split]]:
    if not (data / "train").is_dir():
        return [(data, "train")]
    validation = [data / name for name in VALIDATION_FOLDERS if (data / name).is_dir()][:1]
    test = [data / "test"] if (data / "test").is_dir() else []
    return [
        (data / "train", "train"),
        *((root, "validation") for root in validation),
        *((root, "test") for root in test),
    ]


def _folders(root: Path) -> list[str]:
    return sorted(folder.name for folder in root.iterdir() if folder.is_dir() and not folder.name.startswith("."))


def _classes(root: Path) -> tuple[str, ...]:
    classes = _folders(root)
    for name in classes:
        if not _is_text(name):
            raise WrongInput(
                f"{root} has a class folder {name!a}, whose name is not UTF-8. Rename it: it becomes a label."
            )
    if not classes:
        raise WrongInput(f"{root} has no class folders. Put the photos of each class into a sub-folder named after it.")
    if len(classes) == 1:
        raise WrongInput(f"{root} has only one class, {classes[0]!r}. Add a folder of photos of something else.")
    return tuple(classes)


def _is_text(name: str) -> bool:
    """Whether it can be written; Python keeps bytes that are no UTF-8 as lone surrogates, which cannot."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _files(data: Path, folder: Path, label: str, split: Split) -> Iterator[Found]:
    """Sorted by path. Strings and `scandir`: over 50,000 files, pathlib's own ways take seconds."""
    beginning = len(str(data / "x")) - 1
    for path in sorted(_walk(str(folder)) if folder.is_dir() else ()):  # a class may have no photos to test it by
        yield Found(Path(path), path[beginning:].replace(os.sep, "/"), label, split)


def _walk(folder: str) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(entry.path)
            elif entry.is_file():  # not a pipe, not a link to nowhere
                yield entry.path
