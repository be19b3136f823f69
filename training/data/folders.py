"""A folder per class, as it is or under train, validation and test."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from training.data.audited import spelled
from training.data.names import check_distinct, is_text
from training.data.records import LabelledFile, Split
from training.data.split_names import may_be_split, splits_among
from training.data.walking import files_in, files_under, folders_in, opened
from training.errors import WrongInput
from training.sentences import plural

# Reported if they lie in no class.
PHOTOS = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".heic", ".heif", ".avif")


def in_folders(data: Path) -> tuple[tuple[str, ...], list[LabelledFile]]:
    """The classes, sorted, and every file under their folders; hidden files and folders are no photos.

    Either DATA/CLASS/* or DATA/train/CLASS/* with, perhaps, a validation and a test folder beside it. Raises WrongInput
    if there is nothing to learn from, or if a class has no folder to train on.
    """
    with opened():
        splits = split_folders(data) or {"train": data}
        if "train" not in splits:
            raise WrongInput(
                f"{data} has {_listed(path.name for path in splits.values())} with classes, and no train folder. Put"
                f" the classes to train on into {data / 'train'}."
            )
        classes = _classes(splits["train"])
        files: list[LabelledFile] = []
        for split, root in splits.items():
            if strangers := set(folders_in(root)) - set(classes):
                check_distinct(data, [*classes, *sorted(strangers)])
                raise WrongInput(
                    f"{root / min(strangers)} has no class of that name in {splits['train']}. Rename or remove it."
                )
            files += [found for label in classes for found in _files(data, root / label, label, split)]
        return classes, files


def split_folders(data: Path) -> dict[Split, Path]:
    """The folders of `data` that are splits, with classes in them; none if its folders are the classes.

    A folder called `train` or `test` is a class if it has photos in it, no folders, and other classes beside it. A split
    that holds a folder of its own name and nothing else, as train/train, is that folder. Raises WrongInput if it is neither
    split nor class, or if `data` is no folder.
    """
    if not data.is_dir():
        raise WrongInput(
            f"{data} is no folder. Give a folder with one sub-folder of photos per class, a CSV or JSONL manifest,"
            " s3://bucket/prefix, or a data set of torchvision by name, as cifar10."
        )
    folders = folders_in(data)
    roots = {name: _unwrapped(data / name) for name in folders if may_be_split(name)}
    inside = {name: folders_in(roots[name]) if name in roots else [] for name in folders}
    splits = splits_among(inside)
    named = {name: inside[name] for name in splits}
    others = [name for name in folders if name not in named]
    trains = [named[name] for name, split in splits.items() if split == "train"]
    if not named or (others and not any(trains)):
        _check_classes(data, named, others)
        return {}
    if not any(named.values()) or (trains and not any(trains)):
        bare = [name for name, below in named.items() if not below]
        photos = sum(len(files_in(data / name)) for name in bare)
        raise WrongInput(
            f"{data} has {_listed(bare)} with {plural(photos, 'file')} and no class folders. Put the photos of each class into a"
            f" sub-folder named after it, as {data / bare[0] / 'CLASS'}."
        )
    return _one_of_each(data, {name: splits[name] for name, below in named.items() if below}, roots)


def _one_of_each(data: Path, splits: Mapping[str, Split], roots: Mapping[str, Path]) -> dict[Split, Path]:
    """The folder of each split; WrongInput if a split has two."""
    found: dict[Split, Path] = {}
    for name, split in splits.items():
        if found.setdefault(split, roots[name]) != roots[name]:
            twice = [one for one in splits if splits[one] == split]
            raise WrongInput(
                f"{data} has {_listed(twice)}, but only one {split} folder is allowed. Keep one, or merge them."
            )
    return found


def left_out(data: Path) -> list[str]:
    """A sentence each about photos of `data` in no class folder, folders that are no split, and classes that may be none."""
    with opened():
        splits = split_folders(data)
        used = {root.relative_to(data).parts[0] for root in splits.values()}
        beside = {name: folders_in(data / name) for name in folders_in(data) if splits and name not in used}
        classes = {name for root in splits.values() for name in folders_in(root)}
        stray = [
            path
            for root in dict.fromkeys((data, *splits.values()))
            for path in (root / name for name in files_in(root))
            if path.suffix.lower() in PHOTOS
        ]
        notes = [] if splits else _about_folders_in_classes(data)
    like_splits = [name for name, inside in beside.items() if classes & set(inside)]
    if other := [name for name in beside if name not in like_splits]:
        notes.append(f"{data}: left out, as no validation or test folder with classes in it: {_listed(other)}")
    if like_splits:
        notes.append(
            f"{data}: left out, though it has folders of the classes' names: {_listed(like_splits)}; to use one, call it"
            " validation or test"
        )
    if stray:
        notes.append(
            f"{data}: left out, as in no class folder: {plural(len(stray), 'photo')}, as {spelled(str(stray[0]))}"
        )
    return notes


def _about_folders_in_classes(data: Path) -> list[str]:
    """A sentence if all folders of `data` hold the same folders and no photos: then those inside may be the classes."""
    inside: set[tuple[str, ...]] = set()
    names = folders_in(data)
    for name in names:
        inside.add(tuple(folders_in(data / name)))
        if len(inside) > 1 or files_in(data / name):
            return []
    same = next(iter(inside), ())
    if len(names) < 2 or len(same) < 2:
        return []
    return [
        f"{data}: each of the classes {_listed(names)} has no photos of its own, and the folders {_listed(same)}. If these are"
        " the classes, put their photos together, or name the outer folders train, validation and test"
    ]


def _unwrapped(folder: Path) -> Path:
    """The folder, or the one of the same name that is all it holds, as archives unpack."""
    while folders_in(folder) == [folder.name] and not files_in(folder):
        folder /= folder.name
    return folder


def _check_classes(data: Path, named: dict[str, list[str]], others: Sequence[str]) -> None:
    """WrongInput if a folder that has the name of a split is neither split nor class."""
    for name, inside in named.items():
        if both := set(inside) & set(others):
            raise WrongInput(
                f"{data} has the classes {_listed(sorted(both))} and {data / name} has them, too. Put those to train on"
                f" into {data / 'train'}."
            )
        if not inside and not files_in(data / name):
            raise WrongInput(f"{data / name} is empty, beside {_listed(others)}. Put photos into it, or remove it.")


def _classes(root: Path) -> tuple[str, ...]:
    classes = folders_in(root)
    for name in classes:
        if not is_text(name):
            raise WrongInput(
                f"{root} has a class folder {name!a}, whose name is not UTF-8. Rename it: it becomes a label."
            )
    if not classes:
        raise WrongInput(f"{root} has no class folders. Put the photos of each class into a sub-folder named after it.")
    if len(classes) == 1:
        raise WrongInput(f"{root} has only one class, {classes[0]!r}. Add a folder of photos of something else.")
    check_distinct(root, classes)
    return tuple(classes)


def _files(data: Path, folder: Path, label: str, split: Split) -> Iterator[LabelledFile]:
    """The files of one class, sorted by path; none if the class has no test photos."""
    beginning = len(str(data / "x")) - 1
    for path in files_under(folder):
        yield LabelledFile(Path(path), path[beginning:].replace(os.sep, "/"), label, split)


def _listed(names: Iterable[str]) -> str:
    """`train/`, or `train/ and test/`, or `a/, b/, c/ and 3 more`."""
    folders = [f"{spelled(name)}/" for name in names]
    if len(folders) > 4:
        folders = [*folders[:3], f"{len(folders) - 3} more"]
    return " and ".join([", ".join(folders[:-1]), folders[-1]] if len(folders) > 1 else folders)
