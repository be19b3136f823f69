"""A drawn data set without a flaw, into which each test plants one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

LABELS = ("baseball", "basketball", "golf ball")
SIZE_PX = 72


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """DATA/train and DATA/validation, three classes, every picture from a seed of its own."""
    from training.practice_set.files import seed_of
    from training.practice_set.scene import render_image

    data = tmp_path_factory.mktemp("drawn")
    for label in LABELS:
        for split, count in (("train", 8), ("validation", 3)):
            folder = data / split / label
            folder.mkdir(parents=True)
            for number in range(count):
                seed = seed_of("train" if split == "train" else "validation", number)
                render_image(label, seed, SIZE_PX).save(folder / f"{number:03d}.jpg", quality=90)
    return data


@pytest.fixture
def data(drawn: Path, tmp_path: Path) -> Path:
    """A copy for one test."""
    return Path(shutil.copytree(drawn, tmp_path / "data"))
