"""Replace `auto` by numbers, with reasons: those that the machine and the network decide, before any photo is read."""

from __future__ import annotations

import os
from dataclasses import dataclass
from math import sqrt

import torch
from torch import nn

from training.preparing.measuring import bytes_per_photo
from training.settings.config import TrainConfig
from training.settings.settled import Precision

SGD_LIKE = ("sgd", "momentum", "nesterov", "lars", "muon")
BATCH_SIZES = (512, 256, 128, 64, 32, 16, 8)
LEAST_UPDATES = 20  # of an epoch: larger batches would leave too few
MOST_WORKERS = 8  # of one process; more have little left to do
GPU_SHARE = 0.7  # of the memory that is free: the rest is for augmentation, the average, and what fragments


@dataclass(frozen=True)
class Numbers:
    """The settings that the machine and the network decide; `reasons` has a sentence for each that was `auto`."""

    device: str
    threads: int
    precision: Precision
    workers: int
    batch_size: int
    lr: float
    reasons: dict[str, str]


def numbers_of(
    config: TrainConfig, network: nn.Module, device: torch.device, *, processes: int, photos: int, threads: int
) -> Numbers:
    """The settings that need no photo; `network` lies on the device, `photos` are those to train on.

    `threads` are those that torch is set to.
    """
    why: dict[str, str] = {}
    if config.device == "auto":
        why["device"] = "auto: the GPU" if device.type == "cuda" else "auto: there is no GPU"
    if config.threads is None:
        why["threads"] = "auto: one less than torch would take; a thread without a core of its own stops all others"
    precision, workers, batch_size, lr = config.precision, config.workers, config.batch_size, config.lr
    if precision == "auto":
        precision, why["precision"] = _precision(device)
    if isinstance(workers, str):
        workers, why["workers"] = _workers(device, processes)
    if isinstance(batch_size, str):
        each = photos // (processes * config.accumulate)
        batch_size, why["batch_size"] = _batch_size(network, config.crop_size, precision, device, each)
    if isinstance(lr, str):
        lr, why["lr"] = _lr(config, batch_size * processes * config.accumulate)
    return Numbers(str(device), threads, precision, workers, batch_size, lr, why)


def threads_of(config: TrainConfig) -> int:
    """torch's threads: as many as are set, else one less than torch has now, which counts cores, or what torchrun says."""
    return config.threads or max(1, torch.get_num_threads() - 1)


def batch_size_within(free_bytes: float, needed_bytes: float, photos: float) -> tuple[int, str]:
    """The largest batch that fits into the memory and leaves `photos` enough updates an epoch, and why."""
    why = f"auto: a photo takes {needed_bytes / 1e6:.0f} MB of the {free_bytes / 1e9:.1f} GB that may be used"
    fitting = next((size for size in BATCH_SIZES if size * needed_bytes <= free_bytes), BATCH_SIZES[-1])
    most = min(fitting, photos / LEAST_UPDATES)
    size = next((size for size in BATCH_SIZES if size <= most), BATCH_SIZES[-1])
    return size, why if size == fitting else f"{why}, and {photos} photos want {LEAST_UPDATES} updates an epoch"


def _precision(device: torch.device) -> tuple[Precision, str]:
    if device.type != "cuda":
        return "fp32", "auto: on a CPU reduced precision is rarely faster"
    if torch.cuda.is_bf16_supported(including_emulation=False):
        return "bf16", "auto: this GPU computes in bf16"
    return "fp16", "auto: this GPU has no bf16 of its own"


def _workers(device: torch.device, processes: int) -> tuple[int, str]:
    if device.type != "cuda":
        return 0, "auto: on a CPU they would take cores from the model"
    count = min(MOST_WORKERS, max(1, (os.cpu_count() or 1) // processes - 1))
    return count, f"auto: {os.cpu_count()} cores for {processes} processes"


def _batch_size(
    network: nn.Module, crop_size: int, precision: Precision, device: torch.device, photos: int
) -> tuple[int, str]:
    if device.type != "cuda":
        return 32, "auto: on a CPU larger batches are no faster"
    free = torch.cuda.mem_get_info(device)[0] * GPU_SHARE
    return batch_size_within(free, bytes_per_photo(network, crop_size, precision, device), photos)


def _lr(config: TrainConfig, photos: int) -> tuple[float, str]:
    """For so many photos an update."""
    scratch = 1.0 if config.pretrained != "none" else 2.0
    if config.optimizer.lower().startswith(SGD_LIKE):
        why = f"auto: 0.01 for 32 photos an update, in proportion to {photos}; twice that from scratch"
        return 0.01 * scratch * photos / 32, why
    why = f"auto: 5e-4 for 64 photos an update, by the root of {photos} / 64; twice that from scratch"
    return 5e-4 * scratch * sqrt(photos / 64), why
