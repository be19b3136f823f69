"""The convolutional network of the textbooks, in timm's words.

images -> (3x3 convolutions, pool) for every width -> flatten -> dense layers with dropout -> classifier
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from timm.layers.conv_bn_act import ConvNormAct
from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from torch import Tensor, nn

__all__ = ["PlainCNN"]


class PlainCNN(nn.Module):
    """For every width some 3x3 convolutions with batch norm and ReLU, and a 2x2 max pool; then dense layers.

    What is flattened depends on the side of the images: it is fixed by `img_size`. The last pool belongs to the head, so
    that `forward_features` keeps a map of places twice as fine, for explanations.
    """

    def __init__(
        self,
        *,
        widths: Sequence[int] = (32, 64, 128),
        repeats: int = 2,
        dense: Sequence[int] = (512,),
        drop_rate: float = 0.5,
        num_classes: int = 10,
        in_chans: int = 3,
        img_size: int | tuple[int, int] = 32,
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.in_chans = in_chans
        self.img_size = (img_size, img_size) if isinstance(img_size, int) else tuple(img_size)
        self.drop_rate = drop_rate
        channels = [in_chans, *widths]
        self.stages = nn.Sequential(
            *(_stage(*pair, repeats, first=i == 0) for i, pair in enumerate(pairwise(channels)))
        )
        self.feature_info = [
            {"num_chs": width, "reduction": 2**number, "module": f"stages.{number}"}
            for number, width in enumerate(widths)
        ]
        self.num_features = channels[-1]
        self.pool = nn.MaxPool2d(2)
        height, width = (side >> len(widths) for side in self.img_size)
        features = [self.num_features * height * width, *dense]
        if not features[0]:
            raise TypeError(f"img_size = {img_size}: {len(widths)} pools leave nothing of it")
        self.dense = nn.Sequential(*(_dense(*pair, drop_rate) for pair in pairwise(features)))
        self.head_hidden_size = features[-1]
        _initialise(self)
        self.fc = _classifier(self.head_hidden_size, num_classes)

    def group_matcher(self, coarse: bool = False) -> dict[str, Any]:
        """timm's words for layer groups: convolution by convolution, or stage by stage; then the dense layers."""
        conv = r"^stages\.(\d+)" if coarse else r"^stages\.(\d+)\.conv(\d+)"
        return {"blocks": conv, "dense": r"^dense" if coarse else r"^dense\.(\d+)"}

    def get_classifier(self) -> nn.Module:
        """The last layer."""
        return self.fc

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """A fresh last layer; none for 0 classes. What is flattened is not pooled: `global_pool` must be none."""
        if global_pool:
            raise ValueError(f"plain_cnn flattens, and has no global pooling {global_pool!r}")
        self.num_classes = num_classes
        self.fc = _classifier(self.head_hidden_size, num_classes).to(next(self.parameters()).device)

    def forward_features(self, x: Tensor) -> Tensor:
        """Maps (N, C, H, W) before the last pool, of images (N, in_chans, *img_size)."""
        torch._assert(
            tuple(x.shape[2:]) == self.img_size, f"plain_cnn is built for images of {self.img_size}: set img_size"
        )
        features: Tensor = self.stages(x)
        return features

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """Logits, or what the classifier is given (N, head_hidden_size)."""
        x = self.dense(self.pool(x).flatten(1))
        return x if pre_logits else self.fc(x)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, num_classes)."""
        return self.forward_head(self.forward_features(x))


def _stage(in_channels: int, width: int, repeats: int, *, first: bool) -> nn.Sequential:
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    if not first:
        layers["pool"] = nn.MaxPool2d(2)
    for number in range(1, repeats + 1):
        layers[f"conv{number}"] = ConvNormAct(in_channels if number == 1 else width, width, 3)
    return nn.Sequential(layers)


def _dense(in_features: int, features: int, drop_rate: float) -> nn.Sequential:
    return nn.Sequential(nn.Linear(in_features, features), nn.ReLU(), nn.Dropout(drop_rate))


def _classifier(in_features: int, num_classes: int) -> nn.Module:
    """It starts near zero: the first loss is ln(num_classes)."""
    if not num_classes:
        return nn.Identity()
    layer = nn.Linear(in_features, num_classes)
    nn.init.normal_(layer.weight, std=0.01)
    nn.init.zeros_(layer.bias)
    return layer


def _initialise(network: nn.Module) -> None:
    """He et al. 2015, https://arxiv.org/abs/1502.01852: the variance that ReLU keeps."""
    for part in network.modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
            if part.bias is not None:
                nn.init.zeros_(part.bias)


# Mean 0 and deviation 1: a photo is divided by 255, and nothing else; batch norm does the rest.
default_cfgs = generate_default_cfgs(
    {
        "plain_cnn.untrained": {
            "url": "", "num_classes": 10, "input_size": (3, 32, 32), "fixed_input_size": True, "crop_pct": 1.0,
            "interpolation": "bicubic", "mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0),
            "first_conv": "stages.0.conv1.conv", "classifier": "fc",
        }
    }
)  # fmt: skip


@register_model
def plain_cnn(pretrained: bool = False, **arguments: Any) -> PlainCNN:  # noqa: ANN401 - timm's signature
    """PlainCNN by timm's name; `arguments` are its own, and those that timm gives to every model."""
    network: PlainCNN = build_model_with_cfg(
        PlainCNN, "plain_cnn", pretrained,
        feature_cfg={"out_indices": (0, 1, 2), "flatten_sequential": True}, **arguments,
    )  # fmt: skip
    return network
