"""How many workers a machine bears, and how many images they like at once."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import psutil

# A worker takes 0.7 to 0.8 GB, and up to 1.2 GB more while it reads a large transparent image.
WORKER_BYTES = 1536 * 2**20
WORKERS_A_GPU = 2  # one decodes while the other one computes
CGROUP = Path("/sys/fs/cgroup")


def default_workers() -> int:
    """Two per GPU; without one, one per core, as far as the memory goes; a container's limits count as the machine's."""
    available_bytes = min(psutil.virtual_memory().available, memory_limit_bytes() or sys.maxsize)
    return WORKERS_A_GPU * gpus() or workers_for(_cores(), available_bytes)


def default_batch_images() -> int:
    """A GPU wants more at once than a core: a core is as fast by fours, and smaller groups share two cores more evenly."""
    return 32 if gpus() else 4


def gpus(devices: Path = Path("/dev")) -> int:
    """NVIDIA's GPUs, as the driver shows them."""
    return sum(path.name.removeprefix("nvidia").isdigit() for path in devices.glob("nvidia*"))


def workers_for(cores: int, available_bytes: int) -> int:
    """One per core, as far as the memory goes, and at least one."""
    return max(1, min(cores, available_bytes // WORKER_BYTES))


def memory_limit_bytes(cgroup: Path = CGROUP) -> int | None:
    """What a container may use; None where nothing is said."""
    try:
        said = (cgroup / "memory.max").read_text().strip()
    except OSError:
        return None
    return int(said) if said.isdecimal() else None


def core_limit(cgroup: Path = CGROUP) -> int | None:
    """The whole cores that a container may use, at least one; None where nothing is said."""
    try:
        quota, period = (cgroup / "cpu.max").read_text().split()
    except (OSError, ValueError):
        return None
    return max(1, int(quota) // int(period)) if quota.isdecimal() else None


def _cores() -> int:
    """Those that this process may use; two threads of one core count once."""
    allowed = len(os.sched_getaffinity(0))
    return min(allowed, psutil.cpu_count(logical=False) or allowed, core_limit() or allowed)
