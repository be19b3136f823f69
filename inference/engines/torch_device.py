"""Torch on a machine: its device, its threads and its precision. Only the torch engines import it."""

from __future__ import annotations

import torch

from inference.engines.seam import Machine

GENERATION = "sm_"  # of a GPU, before the two digits of its compute capability


def torch_device(machine: Machine) -> torch.device:
    """The machine's device, after torch was set to its threads and to full fp32, for the whole process."""
    torch.set_num_threads(machine.threads)
    torch.backends.cudnn.allow_tf32 = False  # fp32 is the reference, on a GPU too; bf16 does not care
    device = torch.device(machine.device)
    if machine.has_gpu:
        torch.cuda.set_device(device)  # AOTInductor loads its weights onto the current one
    return device


def gpu_generation(machine: Machine) -> str | None:
    """The compute capability of the machine's GPU, as its compilers name it: `sm_89`; None on a CPU."""
    if not machine.has_gpu:
        return None
    major, minor = torch.cuda.get_device_capability(machine.device)
    return f"{GENERATION}{major}{minor}"


def gpu_names() -> list[str]:
    """The names of all GPUs that CUDA knows."""
    return [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
