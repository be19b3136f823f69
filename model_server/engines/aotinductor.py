"""AOTInductor: torch's own compiler, ahead of time, for one kind of machine."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import torch

from engines.seam import EngineFailed, Logits, Precision
from imagefile.pixels import Pixels


class AotInductorEngine:
    """A package that training compiled: machine code for the CPU or the GPU that it was compiled on."""

    def __init__(self, file: Path, device: torch.device, *, precision: Precision) -> None:
        """Raises EngineFailed where the package was made for another machine, or cannot be loaded."""
        try:
            self._run = torch._inductor.aoti_load_package(
                str(file), device_index=-1 if device.index is None else device.index
            )
        except (RuntimeError, OSError, ValueError) as error:
            raise EngineFailed(f"torch cannot load {file.name}: {' '.join(str(error).split())[:300]}") from error
        self.device = device
        self.name = f"aotinductor-{precision}"

    def logits(self, pixels: Pixels) -> Logits:
        """As Engine promises."""
        with torch.inference_mode():
            answer = self._run(torch.from_numpy(pixels).to(self.device))
        return cast(Logits, answer.float().cpu().numpy())
