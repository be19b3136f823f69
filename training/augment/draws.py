"""Random numbers that are the same wherever the photos lie: drawn on the CPU, sent to the device."""

from __future__ import annotations

import torch
from torch import Tensor


def sent(numbers: Tensor, device: torch.device) -> Tensor:
    """The same numbers on the device; a GPU is not waited for."""
    if device.type != "cuda":
        return numbers.to(device)
    return numbers.pin_memory().to(device, non_blocking=True)


def between(draws: Tensor, low: float, high: float) -> Tensor:
    """Draws from [0, 1) as draws from [low, high)."""
    return low + (high - low) * draws


def first(good: Tensor, values: Tensor, otherwise: Tensor) -> Tensor:
    """Of every column the first of `values` (tries, N) that is `good`; `otherwise` (N,) if none is."""
    found = values.gather(0, good.int().argmax(dim=0, keepdim=True))[0]
    return torch.where(good.any(dim=0), found, otherwise)
