"""The head of a network: what timm calls the classifier, one layer or several, and the part of it that is drawn anew."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from inference.networks.making import make_network
from training.errors import NetworkRefused


def heads_of(network: nn.Module) -> tuple[nn.Module, ...]:
    """timm's classifier: two layers in a distilled network, and in VOLO also the one over patches.

    Raises NetworkRefused if the network has none, as the image encoders of language models.
    """
    if not hasattr(network, "get_classifier"):
        raise NetworkRefused(f"{type(network).__name__} only makes features, and has no classifier")
    found = network.get_classifier()  # type: ignore[operator]
    modules = dict(network.named_modules())
    named = (getattr(network, "pretrained_cfg", None) or {}).get("classifier") or ()
    also = (modules[name] for name in ([named] if isinstance(named, str) else named) if name in modules)
    return tuple(dict.fromkeys((*(found if isinstance(found, tuple) else (found,)), *also)))


def head_names(network: nn.Module) -> set[str]:
    """Names of the parameters of the head."""
    of_head = {id(parameter) for head in heads_of(network) for parameter in head.parameters()}
    return {name for name, parameter in network.named_parameters() if id(parameter) in of_head}


def draw_head(network: nn.Module, name: str, arguments: Mapping[str, Any], class_count: int) -> None:
    """Draw what depends on the number of classes near zero, so that the first loss is ln(class_count).

    timm draws the last layers of its EfficientNets and MobileNets as wide as 1 / sqrt(class_count): with 15 classes a
    pretrained MobileNetV2 then begins at a loss of 7. Norms and hidden layers of a head stay as timm drew or loaded them.
    `name` and `arguments` are those with which timm made the network.
    """
    shapes = _shapes(name, {**arguments, "num_classes": class_count + 1})
    for parameter_name, parameter in network.named_parameters():
        if parameter.shape != shapes[parameter_name]:
            nn.init.normal_(parameter, std=0.01 if parameter_name.endswith("weight") else 0.0)


def _shapes(name: str, arguments: Mapping[str, Any]) -> dict[str, torch.Size]:
    """The shapes of a network's parameters, without drawing a number or taking memory."""
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        network = make_network(name, **arguments)
    return {parameter_name: parameter.shape for parameter_name, parameter in network.named_parameters()}
