"""Heat maps: Grad-CAM over photos, for one class each; the model server and training's report explain with it.

Selvaraju et al. 2017, https://arxiv.org/abs/1610.02391: the last feature maps, weighted by the gradient of the class's logit.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from inference.classifier import Classifier
from inference.engines.reference import TorchEngine
from inference.images.pixels import Pixels

OPACITY = 0.5  # of the heat where it is hottest
# Matplotlib's `inferno` at nine even steps: readable in grey and for the colour-blind.
HEAT = np.array(
    [
        (0, 0, 4), (31, 12, 72), (85, 15, 109), (136, 34, 106), (186, 54, 85), (227, 89, 51), (249, 140, 10),
        (249, 201, 50), (252, 255, 164),
    ],
    dtype=np.float32,
)  # fmt: skip


class NotExplainable(Exception):
    """The network has no feature maps that Grad-CAM could weigh."""


def explain(classifier: Classifier, pixels: Pixels, index: int) -> bytes:
    """The heat map (a PNG) of one picture (H, W, 3) uint8 for the class `index`, by the reference network."""
    engine = _reference(classifier)
    return heat_map(pixels, grad_cam(engine.network, engine.normalised(pixels[None]), [index])[0])


@cache
def _reference(classifier: Classifier) -> TorchEngine:
    """The network in torch: other engines have no gradients. It is loaded for the first explanation."""
    return TorchEngine(classifier.folder, classifier.model, classifier.machine)


def grad_cam(network: nn.Module, images: Tensor, classes: Sequence[int]) -> NDArray[np.float32]:
    """Heat (N, H, W), 0 to 1, of normalised images (N, 3, H, W) for one class each; all 0 if nothing counts for it.

    Raises NotExplainable if the network keeps no feature maps; its weights and their gradients do not change.
    """
    with torch.enable_grad():
        features, logits = _maps(network, images)
        (gradient,) = torch.autograd.grad(logits[range(len(classes)), classes].sum(), features)
    maps, gradient = _as_maps(network, features.detach()), _as_maps(network, gradient)
    heat = (maps * gradient.mean(dim=(2, 3), keepdim=True)).sum(dim=1, keepdim=True).relu()
    heat = nn.functional.interpolate(heat, size=images.shape[2:], mode="bilinear")[:, 0]
    shares: NDArray[np.float32] = (heat / heat.amax(dim=(1, 2), keepdim=True).clamp_min(1e-12)).cpu().numpy()
    return shares


def heat_map(pixels: Pixels, heat: NDArray[np.float32]) -> bytes:
    """A PNG: the picture (H, W, 3) in grey, the heat (H, W), 0 to 1, in colour on it."""
    grey = np.asarray(Image.fromarray(pixels).convert("L"), np.float32)[..., None]
    place = heat * (len(HEAT) - 1)
    low = np.minimum(place.astype(int), len(HEAT) - 2)
    rest = (place - low)[..., None]
    colour = HEAT[low] * (1 - rest) + HEAT[low + 1] * rest
    share = OPACITY * heat[..., None] ** 0.5
    written = io.BytesIO()
    Image.fromarray((grey * (1 - share) + colour * share).round().clip(0, 255).astype(np.uint8)).save(written, "PNG")
    return written.getvalue()


def _maps(network: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
    """The last spatial features, and the logits (N, C) that follow from them."""
    if not hasattr(network, "forward_features") or not hasattr(network, "forward_head"):
        raise NotExplainable(f"{type(network).__name__} has no feature maps to explain.")
    if getattr(network, "global_pool", None) == "token":
        return _before_the_last_block(network, images)
    with torch.no_grad():
        features = network.forward_features(images)  # type: ignore[operator]
    if not isinstance(features, Tensor):
        raise _several(network)
    features.requires_grad_()
    return features, network.forward_head(features)  # type: ignore[operator]


def _before_the_last_block(network: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
    """For a transformer that reads only its class token: the other tokens, as they enter its last block."""
    kept: list[Tensor] = []

    def keep(_: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        if not isinstance(inputs[0], Tensor):
            raise _several(network)
        kept.append(inputs[0].detach().requires_grad_())
        return (kept[0], *inputs[1:])

    blocks = getattr(network, "blocks", ())
    if not isinstance(blocks, nn.Sequential | nn.ModuleList):
        raise NotExplainable(f"{type(network).__name__} reads a class token, and has no blocks to explain.")
    hook = blocks[-1].register_forward_pre_hook(keep)
    try:
        logits: Tensor = network(images)
    finally:
        hook.remove()
    return kept[0], logits


def _several(network: nn.Module) -> NotExplainable:
    """Maps of several scales or branches."""
    return NotExplainable(f"{type(network).__name__} makes several feature maps side by side, and no last one.")


def _as_maps(network: nn.Module, features: Tensor) -> Tensor:
    """Features as (N, C, H, W): a transformer's tokens are laid out like its patches."""
    if features.ndim == 4:
        return features if getattr(network, "output_fmt", "NCHW") == "NCHW" else features.permute(0, 3, 1, 2)
    tokens = features[:, getattr(network, "num_prefix_tokens", 0) :]
    side = round(tokens.shape[1] ** 0.5)
    if features.ndim != 3 or side * side != tokens.shape[1]:
        raise NotExplainable(f"Features of the shape {tuple(features.shape)} are no map.")
    return tokens.transpose(1, 2).reshape(len(tokens), -1, side, side)
