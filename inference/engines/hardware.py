"""The kind of machine, as far as it decides which engine is the fastest: two of one kind may share a choice."""

from __future__ import annotations

import platform
from pathlib import Path

from inference.engines.seam import Machine

CPUINFO = Path("/proc/cpuinfo")
NAMES = ("vendor_id", "model name", "CPU implementer", "CPU part")  # x86's, and Arm's
FLAGS = ("flags", "Features")
# What kernels compute with. A hypervisor may hide some of it from one of two equal processors; all other flags change with
# the Linux kernel, too.
COMPUTING = ("avx", "amx", "fma", "sse", "asimd", "sve", "sme", "bf16", "i8mm")


def hardware(machine: Machine, cpuinfo: Path = CPUINFO) -> dict[str, str]:
    """The processor, the instructions that it computes with, and the names of all GPUs if one of them computes.

    All GPUs, not the worker's own: the workers of a server make one choice even if its GPUs differ.
    """
    facts = {"machine": platform.machine(), "processor": platform.processor(), "instructions": ""}
    if first := _first_processor(cpuinfo):
        facts["processor"] = " ".join(first[name] for name in NAMES if name in first)
        flags = {flag for name in FLAGS for flag in first.get(name, "").split()}
        facts["instructions"] = " ".join(sorted(flag for flag in flags if flag.startswith(COMPUTING)))
    if machine.has_gpu:
        from inference.engines.torch_device import gpu_names

        facts["gpus"] = ", ".join(sorted(gpu_names()))
    return facts


def _first_processor(cpuinfo: Path) -> dict[str, str]:
    """The first block of /proc/cpuinfo; empty on a system without it."""
    try:
        block = cpuinfo.read_text(encoding="utf-8", errors="replace").partition("\n\n")[0]
    except OSError:
        return {}
    pairs = (line.partition(":") for line in block.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}
