"""Photos through a network: decoded ahead on threads, then forward passes in batches, in order and in bounded memory."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

import torch
from torch import Tensor, nn

from training.errors import TrainingError
from training.memory import memory_explained
from training.model.model_file import Preprocessing
from training.photos.pixels import memory_format, normalise

BATCH = 128
CPU_BATCH = (
    16  # larger ones wait for the kernel: it clears every activation's pages anew. MobileNetV2: 48 against 15 images/s
)
LATENCY_REPETITIONS = 50

Given = TypeVar("Given")
Read = TypeVar("Read")


@dataclass(frozen=True)
class EvalNetwork:
    """A network in eval mode on a device, and its pre-processing."""

    network: nn.Module
    preprocessing: Preprocessing
    device: torch.device

    @classmethod
    def of(cls, network: nn.Module, preprocessing: Preprocessing, device: torch.device) -> EvalNetwork:
        """The network, moved to the device, in eval mode and full precision."""
        ready = network.eval().to(device=device, dtype=torch.float32, memory_format=memory_format(device))  # type: ignore[call-overload]
        return cls(ready, preprocessing, device)

    @torch.inference_mode()
    def logits(self, pixels: Tensor) -> Tensor:
        """Logits (N, C), float32 on the CPU, of uint8 photos (N, 3, S, S); no TF32, no autocast."""
        size = BATCH if self.device.type == "cuda" else CPU_BATCH
        with (
            memory_explained(
                f"{min(size, len(pixels))} photos of {pixels.shape[-1]} pixels", "Use a machine with more"
            ),
            torch.backends.cudnn.flags(enabled=True, allow_tf32=False),
        ):
            return torch.cat([self._forward(part) for part in torch.split(pixels, size)])

    def _forward(self, pixels: Tensor) -> Tensor:
        images = normalise(pixels.to(self.device), self.preprocessing)
        answer: Tensor = self.network(images.contiguous(memory_format=memory_format(self.device)))
        return answer.float().cpu()

    def latencies_ms(self, photo: Tensor, repetitions: int = LATENCY_REPETITIONS) -> Tensor:
        """Milliseconds of each forward pass of one photo (3, S, S), from pixels in memory to logits in memory."""
        for _ in range(3):
            self.logits(photo[None])
        taken = []
        for _ in range(repetitions):
            began = time.perf_counter()
            self.logits(photo[None])
            taken.append(1000 * (time.perf_counter() - began))
        return torch.tensor(taken, dtype=torch.float64)


def read_ahead[Given, Read](
    given: Iterable[Given], read: Callable[[Given], Read], *, threads: int, ahead: int = 2 * BATCH
) -> Iterator[Read]:
    """`read` of each, in order, on threads; at most `ahead` results wait.

    If `given` ends with a TrainingError, it is raised after the results of everything before it.
    """
    waiting: deque[Future[Read]] = deque()
    coming = iter(given)
    broken: list[TrainingError] = []
    with ThreadPoolExecutor(threads) as pool:

        def take(count: int) -> None:
            try:
                waiting.extend(pool.submit(read, one) for one in islice(coming, count))
            except TrainingError as error:
                broken.append(error)

        try:
            take(ahead)
            while waiting:
                done = waiting.popleft().result()
                take(1)
                yield done
        finally:
            for unread in waiting:
                unread.cancel()
    if broken:
        raise broken[0]


def batched[Given](coming: Iterable[Given], size: int = BATCH) -> Iterator[list[Given]]:
    """Lists of `size`, the last one shorter; items before a TrainingError are not lost."""
    batch: list[Given] = []
    try:
        for one in coming:
            batch.append(one)
            if len(batch) == size:
                yield batch
                batch = []
    except TrainingError:
        if batch:
            yield batch
        raise
    if batch:
        yield batch


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def torch_threads(count: int | None = None) -> Iterator[int]:
    """Set torch's number of threads; by default one fewer than cores, because the decoders need one."""
    before = torch.get_num_threads()
    chosen = count or max(1, cores() - 1)
    torch.set_num_threads(chosen)
    try:
        yield chosen
    finally:
        torch.set_num_threads(before)
