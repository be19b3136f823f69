"""The network compiled ahead of time by torch's own compiler, for machines like this one."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from inference.archive.digest import file_sha256
from training.errors import TrainingError
from training.model.model_file import EngineFile, ModelFile
from training.packaging.graph import Served, exported


def export(
    network: nn.Module, facts: ModelFile, folder: Path, *, device: torch.device, precision: Literal["fp32", "bf16"]
) -> EngineFile:
    """Write aotinductor-PRECISION.pt2 into `folder`: pixels in, logits out, for `device`.

    Takes 10 to 60 s and needs a C++ compiler; raises TrainingError where there is none. What it writes is machine code: it
    runs where the processor (or the GPU's generation) is like the one here.
    """
    if missing := what_is_missing(device):
        raise TrainingError(missing)
    served = Served(network, facts.preprocessing, half=precision == "bf16").eval().to(device)
    served.network.to(memory_format=torch.channels_last)
    path = folder / f"aotinductor-{precision}.pt2"
    program = exported(served, facts.preprocessing, device)
    with torch.inference_mode():
        torch._inductor.aoti_compile_and_package(
            program, package_path=str(path), inductor_configs={"freezing": device.type == "cpu"}
        )
    processor = _abilities() if device.type == "cpu" else ()
    return EngineFile(
        engine="aotinductor", precisions=(precision,), files={path.name: file_sha256(path)}, processor=processor
    )


def _abilities() -> tuple[str, ...]:
    """What this CPU can do: the compiler used all of it, and another CPU would die of what it does not know."""
    return tuple(sorted(name for name, there in torch.cpu.get_capabilities().items() if there is True))


def what_is_missing(device: torch.device) -> str | None:
    """Why nothing can be compiled for this device here, in a sentence; None where it can."""
    if shutil.which("g++") is None and shutil.which("clang++") is None:
        return "AOTInductor needs a C++ compiler: install g++, or package with --engine openvino or torch."
    if device.type == "cuda" and not _cuda_home():
        return "AOTInductor needs the CUDA toolkit (nvcc, or CUDA_HOME): install it, or package with --engine torch."
    return None


def _cuda_home() -> bool:
    """Whether torch will find the toolkit: where it looks itself, without importing what compiles its extensions."""
    named = os.environ.get("CUDA_HOME") or os.environ.get("CUDA_PATH")
    return bool(named or shutil.which("nvcc")) or Path("/usr/local/cuda").exists()
