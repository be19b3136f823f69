"""`auto` becomes a number, with its reason; what the photos decide, `budget` does."""

from __future__ import annotations

import copy
import os
import time
from dataclasses import dataclass
from math import inf, sqrt

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from training.settings.config import TrainConfig

SGD_LIKE = ("sgd", "momentum", "nesterov", "lars", "muon")
BATCH_SIZES = (512, 256, 128, 64, 32, 16, 8)
LEAST_UPDATES = 20  # of an epoch: larger batches would leave too few
MOST_WORKERS = 8  # of one process; more have little left to do
GPU_SHARE = 0.7  # of the memory that is free: the rest is for augmentation, the average, and what fragments
TRIED = 2  # steps before those that are timed: the first ones choose algorithms
TIMED = 4


@dataclass(frozen=True)
class Resolved:
    """Settings without `auto`, and why those that were are what they are."""

    config: TrainConfig
    reasons: dict[str, str]


def resolve(
    config: TrainConfig, network: nn.Module, device: torch.device, *, processes: int, photos: int | None = None,
    threads: int | None = None,
) -> Resolved:  # fmt: skip
    """Everything but epochs and cache, for which photos are read; `network` lies on the device.

    `photos` are those to train on, and `threads` what torch is set to, where that is known.
    """
    changed: dict[str, object] = {"device": str(device)}
    reasons: dict[str, str] = {}
    if config.device == "auto":
        reasons["device"] = "auto: the GPU" if device.type == "cuda" else "auto: no GPU is there"
    if config.threads is None:
        changed["threads"] = threads or default_threads()
        reasons["threads"] = "auto: one less than torch would take; a thread without a core of its own stops all others"
    if config.precision == "auto":
        changed["precision"], reasons["precision"] = _precision(device)
    if config.workers == "auto":
        changed["workers"], reasons["workers"] = _workers(device, processes)
    settled = config.model_copy(update=changed)
    if config.batch_size == "auto":
        size, reasons["batch_size"] = _batch_size(settled, network, device, processes, photos)
        settled = settled.model_copy(update={"batch_size": size})
    if config.lr == "auto":
        value, reasons["lr"] = _lr(settled, processes)
        settled = settled.model_copy(update={"lr": value})
    return Resolved(settled, reasons)


def default_threads() -> int:
    """One less than torch has now, which counts cores, or what torchrun says."""
    return max(1, torch.get_num_threads() - 1)


def train_speed(config: TrainConfig, network: nn.Module, device: torch.device) -> float:
    """Images per second of forward and backward pass alone, of a copy of the network on random pixels."""
    assert not isinstance(config.batch_size, str)
    copied = copy.deepcopy(network).train()
    images = torch.randn(config.batch_size, 3, config.crop_size, config.crop_size, device=device)
    for _ in range(TRIED):
        _one_step(copied, images, config)
    _wait(device)
    began = time.monotonic()
    for _ in range(TIMED):
        _one_step(copied, images, config)
    _wait(device)
    speed = TIMED * config.batch_size / (time.monotonic() - began)
    del copied, images
    _let_go(device)
    return speed


def _precision(device: torch.device) -> tuple[str, str]:
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
    config: TrainConfig, network: nn.Module, device: torch.device, processes: int, photos: int | None
) -> tuple[int, str]:
    if device.type != "cuda":
        return 32, "auto: on a CPU larger batches are no faster"
    free = torch.cuda.mem_get_info(device)[0] * GPU_SHARE
    needed = _memory_of(config, network, device)
    each = None if photos is None else photos // (processes * config.accumulate)
    return batch_size_within(free, needed, each)


def batch_size_within(free_bytes: float, needed_bytes: float, photos: int | None) -> tuple[int, str]:
    """The largest batch that fits into the memory and leaves `photos` enough updates an epoch, and why."""
    why = f"auto: a photo takes {needed_bytes / 1e6:.0f} MB of the {free_bytes / 1e9:.1f} GB that may be used"
    most = inf if photos is None else photos / LEAST_UPDATES
    fitting = next((size for size in BATCH_SIZES if size * needed_bytes <= free_bytes), BATCH_SIZES[-1])
    size = next((size for size in BATCH_SIZES if size <= min(fitting, most)), BATCH_SIZES[-1])
    return size, why if size == fitting else f"{why}, and {photos} photos want {LEAST_UPDATES} updates an epoch"


def _memory_of(config: TrainConfig, network: nn.Module, device: torch.device) -> float:
    """Bytes of GPU memory that one photo more in a batch takes."""
    copied = copy.deepcopy(network).train()
    peaks = []
    for size in (4, 8):
        torch.cuda.reset_peak_memory_stats(device)
        _one_step(copied, torch.randn(size, 3, config.crop_size, config.crop_size, device=device), config)
        peaks.append(torch.cuda.max_memory_allocated(device))
    del copied
    _let_go(device)
    return max(1.0, (peaks[1] - peaks[0]) / 4)


def _one_step(network: nn.Module, images: torch.Tensor, config: TrainConfig) -> None:
    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(config.precision, torch.float32)
    with torch.autocast(images.device.type, dtype, enabled=dtype != torch.float32):
        logits = network(images)
    network.zero_grad()
    cross_entropy(logits.float(), logits.argmax(dim=1)).backward()  # type: ignore[no-untyped-call]


def _let_go(device: torch.device) -> None:
    """Give the GPU back what was measured with: what is free is asked for again."""
    if device.type == "cuda":
        torch.cuda.empty_cache()


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _lr(config: TrainConfig, processes: int) -> tuple[float, str]:
    assert not isinstance(config.batch_size, str)
    photos = config.batch_size * processes * config.accumulate
    scratch = 1.0 if config.pretrained != "none" else 2.0
    if config.optimizer.lower().startswith(SGD_LIKE):
        return (
            0.01 * scratch * photos / 32,
            f"auto: 0.01 for 32 photos an update, in proportion to {photos}; twice that from scratch",
        )
    return 5e-4 * scratch * sqrt(
        photos / 64
    ), f"auto: 5e-4 for 64 photos an update, by the root of {photos} / 64; twice that from scratch"
