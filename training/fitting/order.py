"""The order of the photos, and the numbers that seed every random choice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.utils.data import Sampler

WORD = (1 << 64) - 1


def seed_of(*numbers: int) -> int:
    """A seed in [0, 2^63) from whole numbers; other numbers give unrelated seeds.

    Chained splitmix64 (Steele, Lea, Flood 2014: https://doi.org/10.1145/2714064.2660195).
    """
    mixed = 0
    for number in numbers:
        mixed = (mixed + number + 0x9E3779B97F4A7C15) & WORD
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & WORD
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & WORD
        mixed ^= mixed >> 31
    return mixed >> 1


def generator_of(*numbers: int) -> torch.Generator:
    """A generator on the CPU, seeded with `seed_of`."""
    return torch.Generator().manual_seed(seed_of(*numbers))


def epoch_order(labels: Tensor, *, seed: int, epoch: int, balanced: bool) -> Tensor:
    """Indices (N,) of one epoch's photos; `balanced` draws every class equally often, with replacement."""
    generator = generator_of(seed, epoch, 1)
    if not balanced:
        return torch.randperm(len(labels), generator=generator)
    weights = 1.0 / torch.bincount(labels).double()[labels]
    return torch.multinomial(weights, len(labels), replacement=True, generator=generator)


class BatchOrder(Sampler[list[tuple[int, int, int]]]):
    """One process's batches of (index, seed, epoch) for an epoch, from any step on.

    A batch of all processes together is `batch_size` times as many photos as there are processes; each takes every
    size-th of them. What does not fill a last batch is left for another epoch, unless it is the only one: a batch of one
    breaks batch norm. Set `epoch` and `start` before it is iterated; loader workers stay alive between epochs.
    """

    def __init__(
        self, labels: Tensor, *, batch_size: int, seed: int, balanced: bool, rank: int = 0, size: int = 1
    ) -> None:
        self.labels, self.batch_size, self.seed, self.balanced = labels, batch_size, seed, balanced
        self.rank, self.size = rank, size
        self.epoch, self.start = 1, 0

    def __len__(self) -> int:
        """Steps of a whole epoch."""
        return max(1, len(self.labels) // (self.batch_size * self.size))

    def indices(self) -> Sequence[Tensor]:
        """This process's indices, a tensor a step, from `start` on."""
        order = epoch_order(self.labels, seed=self.seed, epoch=self.epoch, balanced=self.balanced)
        whole = self.batch_size * self.size
        return [
            order[step * whole : (step + 1) * whole][self.rank :: self.size] for step in range(self.start, len(self))
        ]

    def __iter__(self) -> Iterator[list[tuple[int, int, int]]]:
        for step, batch in enumerate(self.indices(), start=self.start):
            yield [
                (index, seed_of(self.seed, self.epoch, index, 2, *self._place(step, at)), self.epoch)
                for at, index in enumerate(batch.tolist())
            ]

    def _place(self, step: int, at: int) -> tuple[int, ...]:
        """Tell a photo's several crops in one epoch apart: `balanced` draws with replacement."""
        return (step, at * self.size + self.rank) if self.balanced else ()
