"""The network compiled ahead of time by torch's own compiler, for machines like this one."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from inference.archive.digest import file_sha256
from inference.engines.torch_device import GENERATION
from training.errors import TrainingError
from training.model.model_file import EngineFile, ModelFile
from training.packaging.graph import ServingGraph, exported, exporting


def export(
    network: nn.Module, facts: ModelFile, folder: Path, *, device: torch.device, precision: Literal["fp32", "bf16"]
) -> EngineFile:
    """Write aotinductor-PRECISION.pt2 into `folder`: pixels in, logits out, for `device`.

    Takes 10 to 60 s and needs a C++ compiler; raises TrainingError if there is none, and NotExported if it cannot
    compile the network. It writes machine code, which runs on
    processors (or a GPU generation) like the one here.
    """
    if missing := what_is_missing(device):
        raise TrainingError(missing)
    served = ServingGraph(network, facts.preprocessing, half=precision == "bf16").eval().to(device)
    served.network.to(memory_format=torch.channels_last)
    path = folder / f"aotinductor-{precision}.pt2"
    with exporting("AOTInductor", facts.architecture), torch.inference_mode():
        program = exported(served, facts.preprocessing, device)
        torch._inductor.aoti_compile_and_package(
            program, package_path=str(path), inductor_configs={"freezing": device.type == "cpu"}
        )
    processor = _abilities() if device.type == "cpu" else generation(device)
    return EngineFile(
        engine="aotinductor", precisions=(precision,), files={path.name: file_sha256(path)}, processor=processor
    )


def _abilities() -> tuple[str, ...]:
    """The instruction sets of this CPU: the compiler uses all of them, and a CPU without one would crash."""
    return tuple(sorted(name for name, there in torch.cpu.get_capabilities().items() if there is True))


def generation(device: torch.device) -> tuple[str, ...]:
    """The one GPU generation that the code is for."""
    major, minor = torch.cuda.get_device_capability(device)
    return (f"{GENERATION}{major}{minor}",)


def what_is_missing(device: torch.device) -> str | None:
    """Why this device cannot be compiled for here, in a sentence; None if it can."""
    if shutil.which("g++") is None and shutil.which("clang++") is None:
        return "AOTInductor needs a C++ compiler: install g++, or package with --engine openvino or torch."
    if device.type == "cuda" and not _cuda_home():
        return "AOTInductor needs the CUDA toolkit (nvcc, or CUDA_HOME): install it, or package with --engine torch."
    return None


def _cuda_home() -> bool:
    """Whether torch will find the toolkit: in the places where torch looks, without its slow import."""
    named = os.environ.get("CUDA_HOME") or os.environ.get("CUDA_PATH")
    return bool(named or shutil.which("nvcc")) or Path("/usr/local/cuda").exists()
