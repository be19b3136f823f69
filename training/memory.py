"""Memory that does not suffice, the GPU's or the machine's, in a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from training.errors import TrainingError

HALVE = "Halve it (and double accumulate)"


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory did not suffice. torch has a type for GPUs alone: of its allocator on CPUs only the message tells."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)


@contextmanager
def memory_explained(what: str, action: str = HALVE) -> Iterator[None]:
    """TrainingError in place of what torch, numpy and Python raise if the memory does not hold `what`."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        if isinstance(error, torch.OutOfMemoryError):
            raise TrainingError(f"The GPU's memory does not hold {what}. {action}.") from error
        raise TrainingError(
            f"This machine's memory does not hold {what}. {action}, or end other programs, and try again."
        ) from error
