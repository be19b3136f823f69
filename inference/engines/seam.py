"""What every engine is: a name, and logits for pixels."""

from __future__ import annotations

from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from inference.images.pixels import Pixels

Logits = NDArray[np.float32]
Precision = Literal["fp32", "bf16", "int8"]


class EngineFailed(Exception):
    """This engine cannot be used here: the sentence says why. The reference, torch, takes its place."""


class Engine(Protocol):
    """A network that is loaded and can be called; mean and std are part of it."""

    @property
    def name(self) -> str:
        """`openvino-bf16`: the library, and the precision that it computes in."""

    def logits(self, pixels: Pixels) -> Logits:
        """Logits (N, C), float32, of pictures (N, H, W, 3), uint8, C-contiguous: compiled code does not look at strides."""
