"""Resizing by torch, for whoever has it loaded anyway: the model server's workers, and training's evaluation."""

from __future__ import annotations

import torch
from torch.nn.functional import interpolate

from inference.images.pixels import Pixels


def torch_resize(pixels: Pixels, height: int, width: int, interpolation: str) -> Pixels:
    """A picture (H, W, 3) uint8, resized with antialiasing: as Pillow does it but for rounding, and several times as fast.

    Of real photos up to 0.4 % of the values differ from Pillow's, by 1 or 2 of 255; squashed by `bicubic`, by up to 20
    at hard edges, because Pillow resizes the height first. docs/decisions.md has the figures.
    """
    planes = torch.from_numpy(pixels)[None].permute(0, 3, 1, 2)  # in memory still (H, W, 3), as the result will be
    resized = interpolate(planes, size=(height, width), mode=interpolation, antialias=True)
    return resized[0].permute(1, 2, 0).numpy()
