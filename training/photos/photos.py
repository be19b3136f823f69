"""Read the photos of a training: random crops of training photos, and validation photos as the model's input.

Listing -> cache (files, memory or device) -> Photos
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from inference.images.reading import UnreadableImage
from training.augment.single import Picture, Transform, training_transform
from training.data.audited import spelled
from training.data.listing import Listing, Photo, check_every_class
from training.model.model_file import Preprocessing
from training.photos.cache import Cache, open_cache
from training.photos.cache_choice import largest_px, square_px
from training.photos.pixels import evaluation_pixels, squared_pixels, training_pixels
from training.photos.reading import PhotoLost, bytes_of
from training.photos.seeding import seeded
from training.photos.set_aside import SetAside
from training.settings.settled import Settled


class TrainingPhotos(Dataset[tuple[Tensor, int]]):
    """uint8 crops (3, S, S) with their labels; an item's key is (index, seed, epoch).

    The seed decides every random choice of a crop, so that neither order nor number of loader workers matters. A photo
    that is not in the cache is decoded each time; PhotoLost names it if it is not any more what was listed.
    """

    def __init__(self, photos: Sequence[Photo], cache: Cache, settings: Settled, square_px: int) -> None:
        self.photos = photos
        self.labels = torch.tensor([photo.label for photo in photos])
        self.square_px = square_px  # the side for `squared` that loses nothing which crops need
        self._cache, self._settings = cache, settings
        self._crop, self._last_crop = (
            training_transform(settings),
            training_transform(settings.in_epoch(settings.epochs)),
        )

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, key: tuple[int, int, int]) -> tuple[Tensor, int]:
        index, seed, epoch = key
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
        return self._crop if self._settings.augments(epoch) else self._last_crop

    def _squares(self, side_px: int) -> Cache:
        if self._cache.index.shapes and self._cache.index.shapes[0] == [3, side_px, side_px]:
            return self._cache
        return _open_squares(self.photos, self._settings, side_px, self._settings.threads, lambda: None)

    def _picture(self, index: int) -> Picture:
        pixels = self._cache.pixels(index)
        if pixels is not None and pixels.shape[2] == 3:
            return pixels
        photo = self.photos[index]
        try:
            return training_pixels(bytes_of(photo), self._settings)
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


def read_photos(
    listing: Listing, settings: Settled, preprocessing: Preprocessing, on_photo: Callable[[], None], *,
    threads: int | None = None,
) -> Photos:  # fmt: skip
    """Decode every training and validation photo once, on `threads`; unreadable ones are set aside.

    `cache_dir` keeps what was decoded: the next start with the same photos and sizes, and other processes, take it from
    there. `on_photo` is called once for each photo. Raises WrongInput if a class is left without photos.
    """
    threads = threads or settings.threads
    training, validation = listing.of("train"), listing.of("validation")
    side_px = square_px(settings, largest_px(training))
    if settings.cache == "device":
        trained = _open_squares(training, settings, side_px, threads, on_photo)
    else:
        trained = _open_pictures(training, settings, threads, on_photo)
    validated = open_cache(
        validation, partial(_for_evaluation, preprocessing=preprocessing), preprocessing.transform.__dict__,
        folder=settings.cache_dir, threads=threads, on_photo=on_photo,
    )  # fmt: skip
    set_aside = _set_aside(training, trained) | _set_aside(validation, validated)
    readable = Listing(listing.classes, tuple(photo for photo in listing.photos if photo.relative not in set_aside))
    check_every_class(readable)
    return Photos(
        listing=readable,
        training=TrainingPhotos(readable.of("train"), trained, settings, side_px),
        validation=validated.tensor(),
        validation_labels=torch.tensor([photo.label for photo in readable.of("validation")]),
        set_aside=tuple(set_aside.values()),
    )


def _open_squares(
    photos: Sequence[Photo], settings: Settled, side_px: int, threads: int, on_photo: Callable[[], None]
) -> Cache:
    """The cache of the photos as squares (3, side_px, side_px)."""
    return open_cache(
        photos, partial(squared_pixels, side_px=side_px), {"squared": side_px},
        folder=settings.cache_dir, threads=threads, on_photo=on_photo,
    )  # fmt: skip


def _open_pictures(photos: Sequence[Photo], settings: Settled, threads: int, on_photo: Callable[[], None]) -> Cache:
    """The cache of the photos a little larger than the crops; with cache = files it holds their sizes alone."""
    return open_cache(
        photos, partial(_for_training, settings=settings), {"crop": settings.crop_size}, folder=settings.cache_dir,
        limit_bytes=settings.cache_mb * 1_000_000 if settings.cache == "memory" else 0,
        threads=threads, on_photo=on_photo,
    )  # fmt: skip


def _for_training(data: bytes, settings: Settled) -> tuple[NDArray[np.uint8], float]:
    image = training_pixels(data, settings)
    return np.asarray(image), image.width / image.height


def _for_evaluation(data: bytes, preprocessing: Preprocessing) -> tuple[NDArray[np.uint8], float]:
    return evaluation_pixels(data, preprocessing).numpy(), 1.0


def _set_aside(photos: Sequence[Photo], cache: Cache) -> dict[str, SetAside]:
    return {
        photos[position].relative: SetAside(spelled(photos[position].relative), code, reason)
        for position, code, reason in cache.index.set_aside
    }
