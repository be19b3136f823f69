"""The optimizer, by timm, over groups of parameters that each have their share of the learning rate."""

from __future__ import annotations

from typing import Any

import torch
from timm.optim._optim_factory import create_optimizer_v2
from timm.optim._param_groups import param_groups_layer_decay
from torch import nn

from training.config import TrainConfig
from training.errors import WrongInput
from training.network import head_of

FUSED = ("adam", "adamw", "sgd", "momentum")  # torch's own, with one kernel for all parameters


def create_optimizer(network: nn.Module, config: TrainConfig, *, lr: float) -> torch.optim.Optimizer:
    """timm's optimizer of that name; WrongInput where it has none, or it cannot have these parameters."""
    kernels: dict[str, Any] = {"fused": True} if config.optimizer.lower() in FUSED else {}
    try:
        optimizer: torch.optim.Optimizer = create_optimizer_v2(
            _groups(network, config),
            opt=config.optimizer,
            lr=lr,
            weight_decay=config.weight_decay,
            momentum=config.momentum,
            **kernels,
        )
    except ValueError as error:
        raise WrongInput(f"optimizer = {config.optimizer!r}: {error}. Use a name that timm knows, as adamw.") from error
    return optimizer


def set_lr(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Every group gets its share of `lr`."""
    for group in optimizer.param_groups:
        group["lr"] = lr * group.get("lr_scale", 1.0)


def _groups(network: nn.Module, config: TrainConfig) -> list[dict[str, Any]]:
    """Biases and norms do not decay; deeper layers learn more slowly where `layer_decay` or `body_lr_scale` says so."""
    if config.layer_decay is not None:
        groups: list[dict[str, Any]] = param_groups_layer_decay(
            network, weight_decay=config.weight_decay, layer_decay=config.layer_decay, verbose=False
        )
        return groups
    of_head = {id(parameter) for parameter in head_of(network).parameters()}
    found: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for parameter in network.parameters():
        found.setdefault((id(parameter) in of_head, parameter.ndim > 1), []).append(parameter)
    return [
        {
            "params": parameters,
            "lr_scale": 1.0 if head else config.body_lr_scale,
            "weight_decay": config.weight_decay if decays else 0.0,
        }
        for (head, decays), parameters in found.items()
    ]
