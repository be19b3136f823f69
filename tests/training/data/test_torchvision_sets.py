"""torchvision's data sets, by name; what it would download is made up."""

from __future__ import annotations

import errno
import socket
from email.message import Message
from pathlib import Path
from urllib.error import HTTPError, URLError

import numpy as np
import pytest
from PIL import Image

from tests.training.data.making import config_of
from training.data.listing import list_photos
from training.data.torchvision_sets import NAMES, fetch
from training.errors import TrainingError


class Arrays:
    """As CIFAR-10 keeps them: pictures in memory."""

    classes = ("cat", "dog")

    def __init__(self, count: int, first: int = 0) -> None:
        self.numbers = range(first, first + count)

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        return Image.fromarray(pixels(self.numbers[index])), index % 2


class Files(Arrays):
    """As Food-101 keeps them: JPEGs on disk."""

    def __init__(self, folder: Path, count: int, first: int = 0) -> None:
        super().__init__(count, first)
        self._labels = [number % 2 for number in self.numbers]
        self._image_files = [folder / f"{number}.jpg" for number in self.numbers]
        for path in self._image_files:
            path.write_bytes(b"the very bytes of " + path.name.encode())


def pixels(number: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.random.default_rng(number).integers(0, 256, (32, 32, 3), dtype=np.uint8)


def arrays(_name: str, folder: Path, split: str) -> Arrays:
    (folder / "archive.tar.gz").write_bytes(b"downloaded")
    return Arrays(8) if split == "train" else Arrays(4, first=100)


def test_arrays_become_folders_of_pngs_that_lose_nothing(tmp_path: Path) -> None:
    counted: list[int] = []
    folder = fetch("cifar10", tmp_path, lambda now: counted.append(now.done), opened=arrays)
    assert counted == list(range(1, 13))
    assert folder == tmp_path / "cifar10"
    assert (np.asarray(Image.open(folder / "train" / "dog" / "00003.png")) == pixels(3)).all()
    assert [path.name for path in tmp_path.iterdir()] == ["cifar10"]
    listing = list_photos(config_of("cifar10"), fetched=tmp_path)
    assert (len(listing.of("train")), len(listing.of("validation")), len(listing.of("test"))) == (6, 2, 4)
    assert {photo.relative.split("/")[0] for photo in listing.of("test")} == {"test"}


def test_jpegs_stay_the_files_that_they_are(tmp_path: Path) -> None:
    def opened(_name: str, folder: Path, split: str) -> Files:
        return Files(folder, 4) if split == "train" else Files(folder, 2, first=100)

    folder = fetch("food101", tmp_path, opened=opened)
    assert (folder / "train" / "dog" / "3.jpg").read_bytes() == b"the very bytes of 3.jpg"
    assert (folder / "test" / "cat" / "100.jpg").is_file()


def test_a_second_start_downloads_nothing(tmp_path: Path) -> None:
    def refused(name: str, folder: Path, split: str) -> Arrays:
        raise AssertionError(name, folder, split)

    assert fetch("mnist", tmp_path, opened=arrays) == fetch("mnist", tmp_path, opened=refused)


NO_NAME = URLError(socket.gaierror(socket.EAI_NONAME, "Name or service not known"))


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (NO_NAME, "its server cannot be reached (name or service not known). Check your network, and HTTPS_PROXY if you need one."),
        (URLError("no network"), "its server cannot be reached (no network). Check your network"),
        (TimeoutError("timed out"), "its server cannot be reached (timed out). Check your network"),
        (HTTPError("https://sets/c.gz", 503, "Busy", Message(), None), "https://sets/c.gz answers with status 503 (Busy). Try later."),
        (RuntimeError("File not found or corrupted."), "File not found or corrupted. Check your network, and try again."),
        (OSError(errno.ENOSPC, "No space left", "/sets/1.png"), "/sets/1.png: the disk is full. Make room there"),
    ],
)  # fmt: skip
def test_a_download_that_fails_ends_in_a_sentence_and_leaves_no_half_of_a_data_set(
    tmp_path: Path, error: Exception, sentence: str
) -> None:
    def failing(name: str, folder: Path, split: str) -> Arrays:
        if split == "test":
            raise error
        return arrays(name, folder, split)

    with pytest.raises(TrainingError, match=r"^cifar100 could not be downloaded and written out: ") as refused:
        fetch("cifar100", tmp_path, opened=failing)
    assert sentence in str(refused.value)
    assert str(refused.value).endswith(" Or give a folder of photos as data.")
    assert not (tmp_path / "cifar100").exists()


@pytest.mark.torch
def test_every_name_is_one_that_torchvision_has() -> None:
    from torchvision import datasets

    classes = ("CIFAR10", "CIFAR100", "MNIST", "OxfordIIITPet", "Food101")
    assert len(NAMES) == len([getattr(datasets, name) for name in classes])
