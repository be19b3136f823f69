"""A step's photos and labels on the device: cropped one by one in the loader, or all at once on the device."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from training.augment.batched import BatchAugment
from training.fitting.order import BatchOrder, generator_of
from training.photos.photos import Photos, TrainingPhotos
from training.settings.settled import Settled


class LoadedBatches:
    """From files or from the memory-mapped cache, cropped by `workers` processes."""

    def __init__(self, photos: TrainingPhotos, order: BatchOrder, settings: Settled, device: torch.device) -> None:
        self.order, self.device = order, device
        self.loader: DataLoader[tuple[Tensor, int]] = DataLoader(
            photos,
            batch_sampler=order,  # its items are (index, seed, epoch), which the photos take
            num_workers=settings.workers,
            persistent_workers=settings.workers > 0,
            pin_memory=device.type == "cuda",
        )

    def __len__(self) -> int:
        return len(self.order)

    def epoch(self, epoch: int, start: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Pixels (N, 3, S, S), 0 to 255, and labels (N,) of one epoch (from 1), from step `start` on (from 0)."""
        self.order.epoch, self.order.start = epoch, start
        for pixels, labels in self.loader:
            yield pixels.to(self.device, non_blocking=True), labels.to(self.device, non_blocking=True)


class ResidentBatches:
    """All photos on the device, squashed to squares; no loader, and one operation crops a whole batch."""

    def __init__(self, photos: TrainingPhotos, order: BatchOrder, settings: Settled, device: torch.device) -> None:
        self.order, self.device, self.settings = order, device, settings
        self.photos = photos.squared(photos.square_px).to(device)
        self.aspects = photos.aspects().to(device)
        self.labels = photos.labels.to(device)

    def __len__(self) -> int:
        return len(self.order)

    def epoch(self, epoch: int, start: int) -> Iterator[tuple[Tensor, Tensor]]:
        """As `LoadedBatches.epoch`."""
        self.order.epoch, self.order.start = epoch, start
        augment = BatchAugment(self.settings.in_epoch(epoch), self.device)
        for step, indices in enumerate(self.order.indices(), start=start):
            chosen = indices.to(self.device, non_blocking=True)
            draws = generator_of(self.settings.seed, epoch, step, self.order.rank, 3)
            yield augment(self.photos[chosen], self.aspects[chosen], draws), self.labels[chosen]


Batches = LoadedBatches | ResidentBatches


def make_batches(photos: Photos, order: BatchOrder, settings: Settled, device: torch.device) -> Batches:
    """The batches from where `cache` keeps the photos."""
    kind = ResidentBatches if settings.cache == "device" else LoadedBatches
    return kind(photos.training, order, settings, device)
