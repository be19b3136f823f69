"""Measure a model's speed and its memory per photo on this device, by a few steps of a copy on random pixels."""

from __future__ import annotations

import copy
import time

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from training.model.network import DTYPES
from training.settings.settled import Precision

TRIED = 2  # steps before those that are timed: the first ones choose algorithms
TIMED = 4


def train_speed(
    network: nn.Module, batch_size: int, crop_size: int, precision: Precision, device: torch.device
) -> float:
    """Images per second of the forward and backward pass, without loader and optimizer."""
    copied = copy.deepcopy(network).train()
    images = torch.randn(batch_size, 3, crop_size, crop_size, device=device)
    for _ in range(TRIED):
        _one_step(copied, images, precision)
    _wait(device)
    began = time.monotonic()
    for _ in range(TIMED):
        _one_step(copied, images, precision)
    _wait(device)
    speed = TIMED * batch_size / (time.monotonic() - began)
    del copied, images
    torch.cuda.empty_cache()  # free GPU memory is measured again; nothing happens without a GPU
    return speed


def bytes_per_photo(network: nn.Module, crop_size: int, precision: Precision, device: torch.device) -> float:
    """GPU memory that one photo more in a batch takes."""
    copied = copy.deepcopy(network).train()
    peaks = []
    for size in (4, 8):
        torch.cuda.reset_peak_memory_stats(device)
        _one_step(copied, torch.randn(size, 3, crop_size, crop_size, device=device), precision)
        peaks.append(torch.cuda.max_memory_allocated(device))
    del copied
    torch.cuda.empty_cache()  # free GPU memory is measured again; nothing happens without a GPU
    return max(1.0, (peaks[1] - peaks[0]) / 4)


def _one_step(network: nn.Module, images: torch.Tensor, precision: Precision) -> None:
    with torch.autocast(images.device.type, DTYPES[precision], enabled=precision != "fp32"):
        logits = network(images)
    network.zero_grad()
    cross_entropy(logits.float(), logits.argmax(dim=1)).backward()  # type: ignore[no-untyped-call]


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
