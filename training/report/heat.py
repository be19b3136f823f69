"""Grad-CAM over a photo: the places that count for a class.

Selvaraju et al. 2017, https://arxiv.org/abs/1610.02391, by captum, on the last features that lie in places.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from captum.attr import LayerGradCam
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from inference.images.pixels import Pixels

OPACITY = 0.55  # of the heat where it is hottest


class NotExplainable(Exception):
    """The network has no feature maps; the sentence says which network."""


class Mapped(nn.Module):
    """A timm network whose last features pass a layer of their own, as (N, C, H, W), whatever their own layout."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        if not hasattr(network, "forward_features") or not hasattr(network, "forward_head"):
            raise NotExplainable(f"{type(network).__name__} has no feature maps.")
        if getattr(network, "global_pool", None) == "token":
            raise NotExplainable(f"{type(network).__name__} reads its class token alone, which lies in no place.")
        self.network = network
        self.maps = nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, C) of normalised images."""
        features: Tensor = self.network.forward_features(images)  # type: ignore[operator]
        if features.ndim == 4 and getattr(self.network, "output_fmt", "NCHW") == "NCHW":
            features = self.maps(features)
        elif features.ndim == 4:
            features = self.maps(features.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        else:
            features = self._tokens(features)
        logits: Tensor = self.network.forward_head(features)  # type: ignore[operator]
        return logits

    def _tokens(self, features: Tensor) -> Tensor:
        """Tokens (N, L, C), of which the places are laid out as their patches lay."""
        first = getattr(self.network, "num_prefix_tokens", 0)
        places = features[:, first:] if features.ndim == 3 else features
        side = round(places.shape[1] ** 0.5)
        if features.ndim != 3 or side * side != places.shape[1]:
            raise NotExplainable(f"Features of the shape {tuple(features.shape)} are no map.")
        maps = self.maps(places.transpose(1, 2).reshape(len(places), -1, side, side))
        return torch.cat([features[:, :first], maps.flatten(2).transpose(1, 2)], dim=1)


def grad_cam(network: nn.Module, images: Tensor, classes: Sequence[int]) -> NDArray[np.float32]:
    """Heat (N, H, W), 0 to 1, of normalised images (N, 3, H, W) for one class each; all 0 if nothing counts for it.

    Raises NotExplainable. The gradients of the weights are left as they were.
    """
    mapped = Mapped(network)
    before = [parameter.requires_grad for parameter in network.parameters()]
    network.requires_grad_(requires_grad=False)
    try:
        inputs = images.detach().requires_grad_()
        heat = LayerGradCam(mapped, mapped.maps).attribute(inputs, target=list(classes), relu_attributions=True)
    finally:
        for parameter, learns in zip(network.parameters(), before, strict=True):
            parameter.requires_grad_(learns)
    heat = nn.functional.interpolate(heat.detach(), size=images.shape[2:], mode="bilinear")[:, 0]
    hottest = heat.amax(dim=(1, 2), keepdim=True).clamp_min(1e-12)
    shares: NDArray[np.float32] = (heat / hottest).numpy()
    return shares


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
