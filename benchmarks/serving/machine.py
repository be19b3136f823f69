"""The CPU and memory that a server uses, the CPU that other processes use beside it, and the machine's description."""

from __future__ import annotations

import os
import platform
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

MEGABYTE = 1e6


@dataclass(frozen=True)
class Sample:
    """CPU seconds spent until now: by the server's processes, by this process, by everything on the machine."""

    at: float
    server_s: float
    client_s: float
    machine_s: float
    stolen_s: float  # by other guests of the same hardware


@dataclass(frozen=True)
class Usage:
    """Cores in use between two samples."""

    server: float
    client: float
    others: float


def sample(server: psutil.Process | None) -> Sample:
    """The CPU seconds now; for a server, those of all its live processes."""
    own, machine = psutil.Process().cpu_times(), psutil.cpu_times()
    busy = machine.user + machine.nice + machine.system + machine.irq + machine.softirq
    return Sample(time.perf_counter(), cpu_s(server) if server else 0.0, own.user + own.system, busy, machine.steal)


def usage(before: Sample, after: Sample) -> Usage:
    """Cores in use between the two samples; cores that other guests stole count as others'."""
    seconds = after.at - before.at
    server, client = after.server_s - before.server_s, after.client_s - before.client_s
    machine = after.machine_s - before.machine_s + after.stolen_s - before.stolen_s
    return Usage(server / seconds, client / seconds, max(0.0, machine - server - client) / seconds)


def family(server: psutil.Process) -> list[psutil.Process]:
    """The server and all that it started, as far as they are alive."""
    try:
        return [server, *server.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def cpu_s(server: psutil.Process) -> float:
    """CPU seconds that the family has spent, as far as it is alive."""
    spent = 0.0
    for process in family(server):
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            spent += times.user + times.system
    return spent


def memory_mb(server: psutil.Process) -> list[float]:
    """Memory of each process of the family, largest first, as its proportional set size (PSS)."""
    return sorted((_pss_mb(process) for process in family(server)), reverse=True)


def facts() -> dict[str, object]:
    """The machine in a few words."""
    return {
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "instructions": [name for name in ("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "amx_bf16") if _has(name)],
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def _pss_mb(process: psutil.Process) -> float:
    try:
        memory = process.memory_full_info()
    except psutil.AccessDenied:
        return float(process.memory_info().rss) / MEGABYTE
    except psutil.NoSuchProcess:
        return 0.0
    return float(memory.pss) / MEGABYTE


def _cpu_name() -> str:
    lines = _cpu_lines("model name")
    return f"{lines[0]} (family {_cpu_lines('cpu family')[0]})" if lines else platform.processor()


def _has(flag: str) -> bool:
    return any(flag in line.split() for line in _cpu_lines("flags"))


def _cpu_lines(key: str) -> list[str]:
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").exists() else ""
    return [line.partition(":")[2].strip() for line in text.splitlines() if line.startswith(key)]
