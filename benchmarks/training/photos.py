"""The folder that both trainers read: as many photos as one epoch of the whole measurement takes."""

from __future__ import annotations

from itertools import cycle, islice
from pathlib import Path

from training.practice_set.files import render_dataset

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
DRAWN_PER_CLASS = 16
DRAWN_PX = 256


def draw(folder: Path) -> Path:
    """Draw 240 balls unless an earlier run has; the folder of their class folders."""
    render_dataset(folder, split="train", images_per_class=DRAWN_PER_CLASS, size_px=DRAWN_PX)
    return folder / "train"


def lay_out(source: Path, folder: Path, *, count: int) -> list[str]:
    """Links at `folder`/train/CLASS to `count` photos of `source`/CLASS, class by class in turn, and one of each class at
    `folder`/validation; the classes.

    If there are fewer photos, some are used several times. Raises ValueError if there are fewer than two classes.
    """
    classes = sorted(path.name for path in source.iterdir() if path.is_dir() and not path.name.startswith("."))
    photos = {label: _photos(source / label) for label in classes}
    if len(classes) < 2 or not all(photos.values()):
        raise ValueError(f"{source} holds no photos of at least two classes, each in a folder of its own.")
    for label in classes:
        _link(photos[label][0], folder / "validation" / label, 0)
    in_turn = cycle([(label, cycle(photos[label])) for label in classes])
    for number, (label, ring) in enumerate(islice(in_turn, count)):
        _link(next(ring), folder / "train" / label, number)
    return classes


def _photos(folder: Path) -> list[Path]:
    return sorted(path.resolve() for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)


def _link(photo: Path, folder: Path, number: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{number:06d}{photo.suffix}").symlink_to(photo)
