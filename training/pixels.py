"""Photos in memory: decoded once, kept as uint8, cropped anew in every epoch.

file -> imagefile -> training: at most a little larger than the model's input; validation: exactly its input
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from timm.data.transforms_factory import create_transform
from torch import Tensor
from torch.utils.data import Dataset

from imagefile.pixels import model_input
from imagefile.reading import UnreadableImage, read_image
from training.config import TrainConfig
from training.listing import Listing, Photo, check_every_class
from training.model_file import Preprocessing

Transform = Callable[[Image.Image], Tensor]  # to uint8 (3, H, W)
ROOM = 8 / 7  # how much larger than the input a cached photo's short side is: 256 for 224, the habit of ImageNet


@dataclass(frozen=True)
class SetAside:
    """A file of the data set that is no picture."""

    relative: str
    code: str
    reason: str


class TrainingPhotos(Dataset[tuple[Tensor, int]]):
    """uint8 crops (3, S, S), drawn anew each time, with their labels; a photo beyond the cache is decoded each time."""

    def __init__(
        self, photos: Sequence[Photo], cached: Sequence[NDArray[np.uint8] | None], config: TrainConfig
    ) -> None:
        self.photos = photos
        self.cached = cached
        self.config = config
        self.crop = training_transform(config)

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        pixels, photo = self.cached[index], self.photos[index]
        image = shrink(read_image(photo.path.read_bytes()), self.config) if pixels is None else Image.fromarray(pixels)
        return self.crop(image), photo.label


@dataclass(frozen=True)
class Photos:
    """A data set in memory, without what could not be read."""

    listing: Listing
    training: TrainingPhotos
    validation: Tensor  # (N, 3, S, S) uint8, as the model sees them but for mean and std
    validation_labels: Tensor  # (N,) int64
    set_aside: tuple[SetAside, ...]


def training_transform(config: TrainConfig) -> Transform:
    """A random crop, resized, perhaps mirrored; as uint8, so that mean and std are left to the device."""
    transform = create_transform(
        config.image_size,
        is_training=True,
        use_prefetcher=True,  # timm's word for leaving out mean and std
        scale=(config.min_scale, 1.0),
        hflip=config.horizontal_flip,
        vflip=config.vertical_flip,
        color_jitter=config.colour_jitter or None,  # type: ignore[arg-type]
        interpolation="bicubic",
    )
    return cast(Transform, transform)


def evaluation_pixels(data: bytes, preprocessing: Preprocessing) -> Tensor:
    """A file's picture as the model sees it but for mean and std, uint8 (3, H, W); the server makes it by the same code.

    Raises imagefile's UnreadableImage.
    """
    return torch.from_numpy(np.ascontiguousarray(model_input(data, preprocessing.look).transpose(2, 0, 1)))


def normalise(pixels: Tensor, preprocessing: Preprocessing) -> Tensor:
    """uint8 (N, 3, S, S) to float32 on the same device: the very steps of torchvision's ToTensor and Normalize."""
    mean, std = (torch.tensor(v, device=pixels.device).view(3, 1, 1) for v in (preprocessing.mean, preprocessing.std))
    return pixels.float().div(255).sub(mean).div(std)


def memory_format(device: torch.device) -> torch.memory_format:
    """Channels last on a GPU, where it is faster. On a CPU its backward pass corrupts memory in torch 2.15 (oneDNN)."""
    return torch.channels_last if device.type == "cuda" else torch.contiguous_format


def shrink(image: Image.Image, config: TrainConfig) -> Image.Image:
    """The photo with a short side of 8/7 of the model's input; a smaller one stays as it is."""
    scale = config.image_size * ROOM / min(image.size)
    if scale >= 1:
        return image
    width, height = (max(1, round(side * scale)) for side in image.size)
    return image.resize((width, height), Image.Resampling.BICUBIC)


def read_photos(
    listing: Listing, config: TrainConfig, preprocessing: Preprocessing, on_photo: Callable[[], None]
) -> Photos:
    """Decode every photo once, on `config.threads` threads; what cannot be read is set aside, not raised.

    Raises WrongInput where that leaves a class without photos.
    """
    budget = _Budget(config.cache_mb * 1_000_000)
    readers: dict[str, Callable[[bytes], object]] = {
        "train": lambda data: budget.keep(np.asarray(shrink(read_image(data), config))),
        "validation": lambda data: evaluation_pixels(data, preprocessing),
    }
    kept: list[Photo] = []
    results: dict[str, list[object]] = {"train": [], "validation": []}
    set_aside: list[SetAside] = []
    with ThreadPoolExecutor(config.threads) as pool:
        for photo, result in zip(listing.photos, pool.map(partial(_read, readers), listing.photos), strict=True):
            on_photo()
            if isinstance(result, SetAside):
                set_aside.append(result)
            else:
                kept.append(photo)
                results[photo.split].append(result)
    readable = Listing(listing.classes, tuple(kept))
    check_every_class(readable)
    return Photos(
        listing=readable,
        training=TrainingPhotos(readable.of("train"), cast(list[NDArray[np.uint8] | None], results["train"]), config),
        validation=torch.stack(cast(list[Tensor], results["validation"])),
        validation_labels=torch.tensor([photo.label for photo in readable.of("validation")]),
        set_aside=tuple(set_aside),
    )


def write_set_aside(set_aside: Sequence[SetAside], path: Path) -> None:
    """The files that were set aside, and why: path, code, reason."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["path", "code", "reason"])
        writer.writerows([entry.relative, entry.code, entry.reason] for entry in set_aside)


def _read(readers: dict[str, Callable[[bytes], object]], photo: Photo) -> object:
    try:
        return readers[photo.split](photo.path.read_bytes())
    except UnreadableImage as error:
        return SetAside(photo.relative, error.code, error.reason)


class _Budget:
    """How many bytes of pixels may still be kept; threads may overdraw it by one photo each."""

    def __init__(self, size_bytes: int) -> None:
        self.left_bytes = size_bytes

    def keep(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
        if pixels.nbytes > self.left_bytes:
            return None
        self.left_bytes -= pixels.nbytes
        return pixels
