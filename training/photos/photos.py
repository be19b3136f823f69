"""What a training sees: random crops of training photos, and validation photos as the model looks at them.

Listing -> choice (files, memory, device) -> cache -> Photos
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from inference.images.reading import UnreadableImage
from training.augment.single import Picture, Transform, training_transform
from training.data.listing import Listing, Photo, check_every_class
from training.model.model_file import Preprocessing
from training.photos.cache import Cache, open_cache
from training.photos.cache_choice import CacheChoice, choose_cache, measure, square_px
from training.photos.pixels import SetAside, evaluation_pixels, squared_pixels, training_pixels
from training.photos.reading import PhotoLost, bytes_of
from training.settings.config import TrainConfig


class TrainingPhotos(Dataset[tuple[Tensor, int]]):
    """uint8 crops (3, S, S) with their labels, asked for by (index, seed, epoch).

    The seed decides every random choice of a crop, so that neither order nor number of loader workers matters. A photo
    that is not in the cache is decoded each time; where it is not any more what was listed, PhotoLost names it.
    """

    def __init__(self, photos: Sequence[Photo], cache: Cache, config: TrainConfig, side_px: int, folder: Path) -> None:
        self.photos = photos
        self.labels = torch.tensor([photo.label for photo in photos])
        self.square_px = side_px  # the side for `squared` that loses nothing which crops need
        self._cache, self._config, self._folder = cache, config, folder
        self._crop, self._last_crop = training_transform(config), training_transform(config.in_epoch(config.epochs))

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, asked: tuple[int, int, int]) -> tuple[Tensor, int]:
        index, seed, epoch = asked
        picture = self._picture(index)
        with seeded(seed):
            return self._crop_of(epoch)(picture), self.photos[index].label

    def squared(self, side_px: int) -> Tensor:
        """All photos squashed to squares, uint8 (N, 3, side_px, side_px), mapped from a file; not to be written to."""
        return self._squares(side_px).tensor()

    def aspects(self) -> Tensor:
        """Width / height of the photos before they are squashed, float32 (N,)."""
        return torch.tensor(self._cache.index.aspects)

    def _crop_of(self, epoch: int) -> Transform:
        """Two of them, since loader workers live through all epochs."""
        return self._crop if self._config.augments(epoch) else self._last_crop

    def _squares(self, side_px: int) -> Cache:
        if self._cache.index.shapes and self._cache.index.shapes[0] == [3, side_px, side_px]:
            return self._cache
        return open_squares(self.photos, self._config, side_px, self._folder, lambda: None)

    def _picture(self, index: int) -> Picture:
        pixels = self._cache.pixels(index)
        if pixels is not None and pixels.shape[2] == 3:
            return pixels
        photo = self.photos[index]
        try:
            return training_pixels(bytes_of(photo), self._config)
        except UnreadableImage as error:  # the same bytes could be read before: memory is short, or broken
            raise PhotoLost(f"{photo.path} could be read when the training began, and now cannot: {error}") from error


@dataclass(frozen=True)
class Photos:
    """A data set ready to train on, without what could not be read; test photos are listed, and not decoded."""

    listing: Listing
    training: TrainingPhotos
    validation: Tensor  # (N, 3, S, S) uint8, as the model sees them but for mean and std; not to be written to
    validation_labels: Tensor  # (N,) int64
    set_aside: tuple[SetAside, ...]
    cache: CacheChoice


def read_photos(
    listing: Listing, config: TrainConfig, preprocessing: Preprocessing, on_photo: Callable[[], None], *,
    device: torch.device | None = None, model_images_per_s: float | None = None, folder: Path | None = None,
    threads: int | None = None,
) -> Photos:  # fmt: skip
    """Decode every training and validation photo once; what cannot be read is set aside.

    It is done by `threads`, by default as many as `config.threads`.

    What was decoded waits in `folder`, by default `config.cache_dir`: the next start with the same photos and sizes, and other processes, take it from
    there. `device` is the one that trains, by default that of `config`. `on_photo` is called once for each photo.
    Raises WrongInput where a class is left without photos.
    """
    folder = folder or config.cache_dir
    config = config if threads is None else config.model_copy(update={"threads": threads})
    crop = training_transform(config)
    training, validation = listing.of("train"), listing.of("validation")
    with seeded(config.seed):
        facts = measure(training, config, crop, folder, device or _device_of(config), model_images_per_s)
    choice = choose_cache(config, facts)
    side_px = square_px(config, facts.largest_px)
    if choice.kind == "device":
        trained = open_squares(training, config, side_px, folder, on_photo)
    else:
        trained = _open_training(training, config, folder, choice, on_photo)
    validated = open_cache(
        validation, partial(_for_evaluation, preprocessing=preprocessing), preprocessing.transform.__dict__,
        folder=folder, threads=config.threads, on_photo=on_photo,
    )  # fmt: skip
    set_aside = _set_aside(training, trained) | _set_aside(validation, validated)
    readable = Listing(listing.classes, tuple(photo for photo in listing.photos if photo.relative not in set_aside))
    check_every_class(readable)
    return Photos(
        listing=readable,
        training=TrainingPhotos(readable.of("train"), trained, config, side_px, folder),
        validation=validated.tensor(),
        validation_labels=torch.tensor([photo.label for photo in readable.of("validation")]),
        set_aside=tuple(set_aside.values()),
        cache=choice,
    )


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Every global generator seeded, for under 20 microseconds; torch's, which a model draws from too, is then put back.

    `torch.manual_seed` would take 100: it also looks for GPUs. Draws on a GPU are not seeded here.
    """
    before = torch.get_rng_state()
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        torch.set_rng_state(before)


def open_squares(
    photos: Sequence[Photo], config: TrainConfig, side_px: int, folder: Path, on_photo: Callable[[], None]
) -> Cache:
    """The cache of the photos as squares (3, side_px, side_px)."""
    return open_cache(
        photos, partial(squared_pixels, side_px=side_px), {"squared": side_px},
        folder=folder, threads=config.threads, on_photo=on_photo,
    )  # fmt: skip


def _open_training(
    photos: Sequence[Photo], config: TrainConfig, folder: Path, choice: CacheChoice, on_photo: Callable[[], None]
) -> Cache:
    return open_cache(
        photos, partial(_for_training, config=config), {"crop": config.crop_size}, folder=folder,
        limit_bytes=config.cache_mb * 1_000_000 if choice.kind == "memory" else 0,
        threads=config.threads, on_photo=on_photo,
    )  # fmt: skip


def _for_training(data: bytes, config: TrainConfig) -> tuple[NDArray[np.uint8], float]:
    image = training_pixels(data, config)
    return np.asarray(image), image.width / image.height


def _for_evaluation(data: bytes, preprocessing: Preprocessing) -> tuple[NDArray[np.uint8], float]:
    pixels = evaluation_pixels(data, preprocessing).numpy()
    return pixels, 1.0


def _set_aside(photos: Sequence[Photo], cache: Cache) -> dict[str, SetAside]:
    return {
        photos[position].relative: SetAside(photos[position].relative, code, reason)
        for position, code, reason in cache.index.set_aside
    }


def _device_of(config: TrainConfig) -> torch.device:
    if config.device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(config.device)
