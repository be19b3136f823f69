"""Networks by their names: timm's own, and those that timm lacks."""

from __future__ import annotations

import warnings
from typing import Any

import timm
from torch import nn

import inference.networks  # noqa: F401 - makes its models known to timm


def make_network(name: str, **arguments: Any) -> nn.Module:  # noqa: ANN401 - as timm's
    """`timm.create_model`, without its and torch's warnings: that a name was replaced, as tv_resnet34, or a layer is empty."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        network: nn.Module = timm.create_model(name, **arguments)
    return network
