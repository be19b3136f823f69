"""What every engine is: a name, and logits for pixels, on a machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from inference.images.pixels import Pixels

Logits = NDArray[np.float32]
Precision = Literal["fp32", "bf16", "int8"]


class EngineFailed(Exception):
    """This engine cannot be used here: the sentence says why. The reference, torch, takes its place."""


@dataclass(frozen=True)
class Machine:
    """What an engine may use: a device by torch's name, `cpu` or `cuda:0`, and threads for one inference."""

    device: str = "cpu"
    threads: int = 1

    @property
    def has_gpu(self) -> bool:
        """Whether the device is a GPU."""
        return self.device.startswith("cuda")


class Engine(Protocol):
    """A loaded network that can be called; mean and std are part of it."""

    @property
    def name(self) -> str:
        """`openvino-bf16`: the library, and the precision that it computes in."""

    def logits(self, pixels: Pixels) -> Logits:
        """Logits (N, C), float32, of pictures (N, H, W, 3), uint8, C-contiguous: compiled code ignores strides."""
