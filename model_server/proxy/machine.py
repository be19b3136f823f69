"""Defaults from the CPU, memory and GPU limits: workers, their threads, and images in a group."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import psutil

# A worker takes 0.7 to 0.8 GB, and up to 1.2 GB more while it reads a large transparent image.
WORKER_BYTES = 1536 * 2**20
WORKERS_A_GPU = 2  # one decodes while the other one computes
CGROUP = Path("/sys/fs/cgroup")


def default_workers(models: int) -> int:
    """Of each model: two per GPU; without one, its share of the cores, as far as its share of the memory goes.

    A container's limits count as the machine's.
    """
    available_bytes = min(psutil.virtual_memory().available, memory_limit_bytes() or sys.maxsize)
    return WORKERS_A_GPU * gpus() or workers_for(_cores(), available_bytes, models)


def default_threads(workers: int) -> int:
    """Of one inference, with so many workers in all, of whichever model; beside a GPU one."""
    return 1 if gpus() else threads_for(_cores(), workers)


def default_batch_images() -> int:
    """A GPU wants more at once than a core: a core is as fast by fours, and smaller groups share two cores more evenly.

    Two times the handler's `images_at_once`: while the first half is classified, the second is read.
    """
    return 64 if gpus() else 4


def gpus(devices: Path = Path("/dev")) -> int:
    """NVIDIA's GPUs, as the driver shows them."""
    return sum(path.name.removeprefix("nvidia").isdigit() for path in devices.glob("nvidia*"))


def workers_for(cores: int, available_bytes: int, models: int) -> int:
    """Of each model: one per core, as far as the memory goes, divided among the models; at least one."""
    return max(1, min(cores, available_bytes // WORKER_BYTES) // models)


def threads_for(cores: int, workers: int) -> int:
    """The cores shared out among all workers: with a thread more than there are cores, they wait for each other."""
    return max(1, cores // workers)


def memory_limit_bytes(cgroup: Path = CGROUP) -> int | None:
    """The memory that a container may use; None if it has no limit."""
    try:
        limit = (cgroup / "memory.max").read_text().strip()
    except OSError:
        return None
    return int(limit) if limit.isdecimal() else None


def core_limit(cgroup: Path = CGROUP) -> int | None:
    """The whole cores that a container may use, at least one; None if it has no limit."""
    try:
        quota, period = (cgroup / "cpu.max").read_text().split()
    except (OSError, ValueError):
        return None
    return max(1, int(quota) // int(period)) if quota.isdecimal() else None


def _cores() -> int:
    """Those that this process may use; two threads of one core count once."""
    allowed = len(os.sched_getaffinity(0))
    return min(allowed, psutil.cpu_count(logical=False) or allowed, core_limit() or allowed)
