"""The report's pictures of Grad-CAM: the places that count for a class, in colour over the photo."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from inference.heat_map import NotExplainable, grad_cam
from inference.images.pixels import Pixels

OPACITY = 0.55  # of the heat where it is hottest


def heat_of(network: nn.Module, images: Tensor, classes: Sequence[int]) -> NDArray[np.float32]:
    """`grad_cam` over the last features. Raises NotExplainable, also if the network's head reads no place of them."""
    if getattr(network, "global_pool", None) == "token":
        raise NotExplainable(f"{type(network).__name__} reads its class token alone, which lies in no place.")
    return grad_cam(network, images, classes)


def over(pixels: Pixels, heat: NDArray[np.float32], side_px: int) -> Pixels:
    """The picture (H, W, 3) in grey, the heat (H, W) in colour on it, with a short side of `side_px`."""
    from matplotlib import colormaps

    grey = np.asarray(Image.fromarray(pixels).convert("L"), np.float32)[..., None]
    colour = colormaps["inferno"](heat)[..., :3].astype(np.float32) * 255
    share = OPACITY * heat[..., None] ** 0.5
    mixed = (grey * (1 - share) + colour * share).round().clip(0, 255).astype(np.uint8)
    scale = side_px / min(mixed.shape[:2])
    height, width = (round(side * scale) for side in mixed.shape[:2])
    return np.array(Image.fromarray(mixed).resize((width, height), Image.Resampling.BICUBIC))
