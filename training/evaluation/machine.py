"""The machine of an evaluation, in words."""

from __future__ import annotations

import platform
from pathlib import Path

import torch

from training.evaluation.forward import cores


def machine_in_words(device: str) -> str:
    """`AMD EPYC 7R13, 2 cores`, with the GPU's name if the network ran on one."""
    count = cores()
    words = f"{_cpu()}, {count} core{'s' if count > 1 else ''}"
    if device.startswith("cuda"):
        return f"{torch.cuda.get_device_name(torch.device(device))}; {words}"
    return words


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())
