"""The reference: timm's own network in torch, on the CPU or on a GPU, as it is or compiled."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from inference.archive.model_file import ModelFile
from inference.engines.network import load_network
from inference.engines.seam import EngineFailed, Logits, Machine, Precision
from inference.engines.torch_device import torch_device
from inference.images.pixels import Pixels


class TorchEngine:
    """The weights as they were trained; any other engine is compared with it in fp32."""

    def __init__(
        self, folder: Path, model: ModelFile, machine: Machine, *, precision: Precision = "fp32", compiled: bool = False
    ) -> None:
        """Raises ModelRefused if the weights do not fit, EngineFailed if torch does not compute in this precision."""
        if precision == "int8":
            raise EngineFailed("torch serves fp32 and bf16; int8 is OpenVINO's.")
        self.name = f"torch{'-compiled' if compiled else ''}-{precision}"
        self.device = torch_device(machine)
        self.network = load_network(folder, model, self.device)
        self._half = precision == "bf16"
        self._forward = cast(nn.Module, torch.compile(self.network, dynamic=True)) if compiled else self.network
        self._mean, self._std = (
            torch.tensor(numbers, device=self.device).view(3, 1, 1)
            for numbers in (model.preprocessing["mean"], model.preprocessing["std"])
        )

    def logits(self, pixels: Pixels) -> Logits:
        """As Engine promises."""
        with torch.inference_mode(), torch.autocast(self.device.type, torch.bfloat16, enabled=self._half):
            answer = self._forward(self.normalised(pixels))
        return cast(Logits, answer.float().cpu().numpy())

    def normalised(self, pixels: Pixels) -> Tensor:
        """Images (N, 3, H, W), float32, channels last: as evaluation makes them; pixels (N, H, W, 3) lie like that."""
        images = torch.from_numpy(pixels).to(self.device, non_blocking=True).permute(0, 3, 1, 2)
        return images.float().div(255).sub(self._mean).div(self._std)
