"""The optimizer, by timm, over groups of parameters, each with its share of the learning rate."""

from __future__ import annotations

import json
from fnmatch import fnmatch
from typing import Any

import torch
from timm.optim._optim_factory import create_optimizer_v2, get_optimizer_info
from timm.optim._param_groups import param_groups_layer_decay
from torch import nn

from training.errors import WrongInput
from training.fitting.checkpoint import optimizer_tensors
from training.model.heads import heads_of
from training.settings.config import TrainConfig

FUSED = ("adam", "adamw", "sgd", "momentum")  # torch's own, with one kernel for all parameters
UNFIT = ("kron", "adahessian")  # lists of tensors as state, second derivatives: only the first step would show it


def create_optimizer(network: nn.Module, config: TrainConfig, *, lr: float) -> torch.optim.Optimizer:
    """timm's optimizer of that name.

    Raises WrongInput if timm has none of that name, it refuses these parameters, or a checkpoint cannot hold its state.
    """
    name = config.optimizer.lower()
    plain = name.rpartition("_")[2]  # of lookahead_adamw
    kernels: dict[str, Any] = {"fused": True} if name in FUSED else {}
    if plain.startswith(UNFIT):
        raise _unfit(config.optimizer)
    try:
        if config.momentum == 0 and (get_optimizer_info(plain).defaults or {}).get("nesterov"):
            kernels["nesterov"] = False  # it looks ahead along the momentum, and there is none
        optimizer: torch.optim.Optimizer = create_optimizer_v2(
            _groups(network, config),
            opt=config.optimizer,
            lr=lr,
            weight_decay=config.weight_decay,
            momentum=config.momentum,
            **kernels,
        )
    except AssertionError as error:  # its library, as bitsandbytes, or the GPU that this needs
        raise WrongInput(
            f"optimizer = {config.optimizer!r} does not work on this machine: {str(error).rstrip('.')}. Use another one, as adamw."
        ) from error
    except ValueError as error:
        raise WrongInput(
            f"optimizer = {config.optimizer!r} does not take lr = {lr:g}, momentum = {config.momentum:g} and weight_decay ="
            f" {config.weight_decay:g} together: {str(error).rstrip('.')}. Change these, or use adamw."
        ) from error
    try:
        json.dumps(optimizer_tensors(optimizer)[1])
    except TypeError as error:
        raise _unfit(config.optimizer) from error
    return optimizer


def _unfit(name: str) -> WrongInput:
    return WrongInput(
        f"optimizer = {name!r}: no checkpoint can hold its state, or this loop cannot drive it. Use adamw."
    )


def set_lr(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Every group gets its share of `lr`."""
    for group in optimizer.param_groups:
        group["lr"] = lr * group.get("lr_scale", 1.0)


def _groups(network: nn.Module, config: TrainConfig) -> list[dict[str, Any]]:
    """Biases, norms, and what the model's own `no_weight_decay` names, as a ViT's positions, do not decay.

    `layer_decay` lowers the learning rate layer by layer, `body_lr_scale` that of all but the head; together, they multiply.
    """
    spared = network.no_weight_decay() if hasattr(network, "no_weight_decay") else ()  # type: ignore[operator]
    of_head = {id(parameter) for head in heads_of(network) for parameter in head.parameters()}
    if config.layer_decay is not None:
        groups: list[dict[str, Any]] = param_groups_layer_decay(
            network,
            weight_decay=config.weight_decay,
            no_weight_decay_list=spared,
            layer_decay=config.layer_decay,
            verbose=False,
        )
        return _slower_body(groups, of_head, config.body_lr_scale) if config.body_lr_scale < 1 else groups
    found: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        decays = parameter.ndim > 1 and not any(fnmatch(name, pattern) for pattern in spared)
        found.setdefault((id(parameter) in of_head, decays), []).append(parameter)
    return [
        {
            "params": parameters,
            "lr_scale": 1.0 if head else config.body_lr_scale,
            "weight_decay": config.weight_decay if decays else 0.0,
        }
        for (head, decays), parameters in found.items()
    ]


def _slower_body(groups: list[dict[str, Any]], of_head: set[int], scale: float) -> list[dict[str, Any]]:
    """The same groups, each split into head and body; the body learns at `scale` of the rate."""
    parted = [
        {
            **group,
            "params": [one for one in group["params"] if (id(one) in of_head) == head],
            "lr_scale": group["lr_scale"] * (1.0 if head else scale),
        }
        for group in groups
        for head in (False, True)
    ]
    return [group for group in parted if group["params"]]
