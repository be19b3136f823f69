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
from inference.engines.torch_device import torch_device
from inference.images.pixels import Pixels

_FOLDER = re.compile(r"aotinductor-of-(\d+)-.*").fullmatch


class AotInductorEngine:
    """A package that training compiled: machine code for the CPU or the GPU that it was compiled on."""

    def __init__(self, file: Path, machine: Machine, *, precision: Precision, processor: frozenset[str]) -> None:
        """`processor`: what its code needs of a CPU. Raises EngineFailed if the package does not suit this machine."""
        _check_processor(processor)
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


def _check_processor(needed: frozenset[str]) -> None:
    """Machine code with an instruction that the CPU does not know ends the process, at every start anew."""
    can = {name for name, there in torch.cpu.get_capabilities().items() if there is True}
    if lacking := sorted(needed - can):
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
