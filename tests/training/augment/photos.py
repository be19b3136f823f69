"""Photos whose crops show their position, and settings to cut them by. Importing needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from torch import Tensor

    from training.settings.config import TrainConfig

STILL: dict[str, object] = {"min_scale": 1.0, "max_aspect": 1.0, "horizontal_flip": 0.0}  # nothing is drawn


def config_of(**changed: object) -> TrainConfig:
    """Settings of a training with 32 px crops, which nothing changes but `changed`."""
    from training.settings.config import make_config

    return make_config({"data": "photos", "run": "run", "image_size": 32} | STILL | changed)


def map_of_places(width: int, height: int) -> Image.Image:
    """Red grows from 0 to 255 from left to right, green from top to bottom; blue is 255."""
    across = np.broadcast_to(np.linspace(0, 255, width)[None], (height, width))
    down = np.broadcast_to(np.linspace(0, 255, height)[:, None], (height, width))
    pixels = np.stack([across, down, np.full((height, width), 255.0)], axis=2)
    return Image.fromarray(pixels.round().astype(np.uint8))


@dataclass(frozen=True)
class Cut:
    """What a crop of a map of places was cut out of: all as shares of the photo."""

    x: float
    y: float
    width: float  # below 0 if it is mirrored
    height: float

    @classmethod
    def of(cls, crop: Tensor) -> Cut:
        """By the colours (3, S, S), 0 to 255, of its inner half: edges may be blurred."""
        size = crop.shape[-1]
        inner = crop.float()[:2, size // 4 : -(size // 4), size // 4 : -(size // 4)] / 255
        across, down = inner[0].mean(dim=0), inner[1].mean(dim=1)
        step = size / (len(across) - 1)
        return cls(
            float(across.mean()), float(down.mean()),
            float(across[-1] - across[0]) * step, float(down[-1] - down[0]) * step,
        )  # fmt: skip

    @property
    def area(self) -> float:
        """As a share of the photo's."""
        return abs(self.width * self.height)


def squared(photo: Image.Image, side_px: int, count: int = 1) -> Tensor:
    """The photo `count` times (N, 3, side, side), squashed to a square."""
    import torch

    pixels = np.array(photo.resize((side_px, side_px), Image.Resampling.BICUBIC))
    return torch.from_numpy(pixels).permute(2, 0, 1).expand(count, -1, -1, -1).contiguous()
