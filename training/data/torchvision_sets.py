"""torchvision's data sets by name: downloaded by torchvision, then written once as class folders."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol
from urllib.error import HTTPError, URLError

from training.data.records import Counted, OnCount, uncounted
from training.errors import TrainingError, machine_sentence, why

NAMES = ("cifar10", "cifar100", "mnist", "oxford-pets", "food101")
ORIGINALS = ("_image_files", "_images")  # where Food101 and OxfordIIITPet keep the paths of their JPEGs
SPLITS = ("train", "test")


class ImageSet(Protocol):
    """The interface of torchvision's data sets: an item is a Pillow picture and the number of its class."""

    @property
    def classes(self) -> Sequence[str]:
        """Names of the classes, by number."""

    def __len__(self) -> int:
        """How many pictures."""

    def __getitem__(self, index: int, /) -> Any:  # noqa: ANN401 - torchvision's own
        """A picture and its class."""


OpenSet = Callable[[str, Path, str], ImageSet]


def open_set(name: str, folder: Path, split: str) -> ImageSet:
    """The `train` or `test` part of a data set, downloaded into `folder` if it is not there yet."""
    from torchvision import datasets

    train = split == "train"
    makers: dict[str, Callable[[], ImageSet]] = {
        "cifar10": lambda: datasets.CIFAR10(folder, train=train, download=True),
        "cifar100": lambda: datasets.CIFAR100(folder, train=train, download=True),
        "mnist": lambda: datasets.MNIST(folder, train=train, download=True),
        "oxford-pets": lambda: datasets.OxfordIIITPet(folder, split="trainval" if train else "test", download=True),
        "food101": lambda: datasets.Food101(folder, split=split, download=True),
    }
    return makers[name]()


def fetch(name: str, fetched: Path, on_count: OnCount = uncounted, *, opened: OpenSet = open_set) -> Path:
    """The folder `fetched`/NAME with train/CLASS and test/CLASS of the set's official split.

    Pictures that the set keeps as arrays become PNGs, without loss; JPEGs are copied. The folder
    appears when it is complete, and the download is then removed. Raises TrainingError if it cannot be downloaded.
    """
    folder, raw = fetched / name, fetched / f".{name}-download"
    if folder.is_dir():
        return folder
    unfinished = fetched / f".{name}.part"
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        raw.mkdir(parents=True, exist_ok=True)
        parts = {split: opened(name, raw, split) for split in SPLITS}
        total = sum(len(part) for part in parts.values())
        done = 0
        for split, part in parts.items():
            done = _write_out(part, unfinished / split, lambda count: on_count(Counted("writing", count, total)), done)
    except (OSError, RuntimeError) as error:  # torchvision: RuntimeError over a download with another checksum
        raise TrainingError(
            f"{name} could not be downloaded and written out: {_reason(error)} Or give a folder of photos as data."
        ) from error
    unfinished.replace(folder)
    shutil.rmtree(raw, ignore_errors=True)
    return folder


def _reason(error: OSError | RuntimeError) -> str:
    """Why torchvision has no data set, and what to do."""
    if isinstance(error, HTTPError):
        return f"{error.url} answers with status {error.code} ({error.reason}). Try later."
    if isinstance(error, URLError | TimeoutError | ConnectionError):
        cause = error.reason if isinstance(error, URLError) else error
        said = why(cause) if isinstance(cause, Exception) else str(cause)
        return f"its server cannot be reached ({said}). Check your network, and HTTPS_PROXY if you need one."
    if isinstance(error, OSError):
        return machine_sentence(error) or f"{why(error)}."
    return f"{why(error).rstrip('.:')}. Check your network, and try again."


def _write_out(part: ImageSet, folder: Path, on_done: Callable[[int], None], done: int) -> int:
    for label in part.classes:
        (folder / label).mkdir(parents=True)
    originals = next((getattr(part, name) for name in ORIGINALS if hasattr(part, name)), None)
    labels = getattr(part, "_labels", ())
    for index in range(len(part)):
        if originals is not None:
            source = Path(originals[index])
            _link(source, folder / part.classes[labels[index]] / source.name)
        else:
            image, label = part[index]
            image.save(folder / part.classes[label] / f"{index:05d}.png")
        on_done(done := done + 1)
    return done


def _link(source: Path, target: Path) -> None:
    """A hard link, so that an interruption leaves the download whole; a copy if the disk has no hard links."""
    try:
        target.hardlink_to(source)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copy(source, target)
