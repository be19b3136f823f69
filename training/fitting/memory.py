"""A GPU whose memory does not suffice, in a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from training.errors import TrainingError


@contextmanager
def memory_explained(batch_size: object) -> Iterator[None]:
    """TrainingError in place of torch's OutOfMemoryError."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise TrainingError(
            f"The GPU's memory does not hold batch_size = {batch_size}. Halve it (and double accumulate)."
        ) from error
