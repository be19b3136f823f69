"""The records of a file of the data set, in this order: LabelledFile, Photo, a line of the Listing."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Split = Literal["train", "validation", "test"]


@dataclass(frozen=True)
class LabelledFile:
    """A file with its class, before its bytes are read; `train` also means not yet split."""

    path: Path
    relative: str  # to the data folder, with forward slashes
    label: str
    split: Split


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
        return hashlib.sha256("".join(lines).encode(errors="surrogateescape")).hexdigest()


@dataclass(frozen=True)
class Counted:
    """Progress of a step of listing the data."""

    step: Literal["downloading", "writing", "hashing"]
    done: int
    total: int


OnCount = Callable[[Counted], None]


def uncounted(_: Counted) -> None:
    """No progress report."""
