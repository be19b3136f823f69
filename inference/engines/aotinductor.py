"""AOTInductor: torch's own compiler, ahead of time, for one kind of machine."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import psutil
import torch

from inference.engines.seam import EngineFailed, Logits, Machine, Precision
from inference.engines.torch_device import GENERATION, gpu_generation, torch_device
from inference.images.pixels import Pixels

_FOLDER = re.compile(r"aotinductor-of-(\d+)-.*").fullmatch


class AotInductorEngine:
    """A package that training compiled: machine code for the CPU or the GPU that it was compiled on."""

    def __init__(self, file: Path, machine: Machine, *, precision: Precision, processor: frozenset[str]) -> None:
        """`processor`: what its code needs of a CPU, or `sm_89`, the one GPU generation that it fits.

        Raises EngineFailed if the package does not suit this machine.
        """
        _check_processor(processor, gpu_generation(machine))
        self.device = torch_device(machine)
        try:
            with _unpacking_for_itself():
                self._run = torch._inductor.aoti_load_package(
                    str(file), device_index=-1 if self.device.index is None else self.device.index
                )
        except (RuntimeError, OSError, ValueError) as error:
            raise EngineFailed(f"torch cannot load {file.name}: {' '.join(str(error).split())[:300]}") from error
        self.name = f"aotinductor-{precision}"

    def logits(self, pixels: Pixels) -> Logits:
        """As Engine promises."""
        with torch.inference_mode():
            answer = self._run(torch.from_numpy(pixels).to(self.device))
        return cast(Logits, answer.float().cpu().numpy())


def _check_processor(needed: frozenset[str], generation: str | None) -> None:
    """Machine code with an instruction that the CPU does not know ends the process, at every start anew.

    Code of another GPU generation fails when it is loaded or, worse, when it is first used. `generation`: of this machine's
    GPU; None on a CPU.
    """
    can = {name for name, there in torch.cpu.get_capabilities().items() if there is True}
    if generation is not None:
        can.add(generation)
    if not (lacking := sorted(needed - can)):
        return
    if compiled_for := ", ".join(it for it in lacking if it.startswith(GENERATION)):
        here = f"a GPU of {generation}" if generation else "no GPU"
        raise EngineFailed(
            f"It was compiled for GPUs of {compiled_for}, and here is {here}. Package it on a GPU like this one."
        )
    raise EngineFailed(
        f"It was compiled for a CPU with {', '.join(lacking)}, and this one has none of that. Package it on a "
        "machine like this one."
    )


@contextmanager
def _unpacking_for_itself() -> Iterator[None]:
    """Let torch unpack into a folder of this process, after the folders of ended processes were removed.

    torch removes what it unpacked when a process ends by itself. A worker that is killed leaves its folder behind.
    """
    for left in Path(tempfile.gettempdir()).iterdir():
        if (named := _FOLDER(left.name)) and not psutil.pid_exists(int(named[1])):
            shutil.rmtree(left, ignore_errors=True)
    before = os.environ.get("TMPDIR")
    os.environ["TMPDIR"] = tempfile.mkdtemp(prefix=f"aotinductor-of-{os.getpid()}-")
    try:
        yield
    finally:
        del os.environ["TMPDIR"]
        if before is not None:
            os.environ["TMPDIR"] = before
