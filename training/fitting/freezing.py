"""Freeze parts of the network; a frozen batch norm keeps its statistics, too."""

from __future__ import annotations

from timm.models import group_parameters
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from training.errors import WrongInput
from training.model.heads import head_names, heads_of


def set_learning(network: nn.Module, policy: str) -> None:
    """Put the network into training mode and freeze what `policy` says, in the words of the setting `freeze`."""
    learning = _learning_names(network, policy)
    for name, parameter in network.named_parameters():
        parameter.requires_grad = learning is None or name in learning
    network.train()
    for module in network.modules():
        own = list(module.parameters(recurse=False))
        frozen = bool(own) and not any(parameter.requires_grad for parameter in own)
        if isinstance(module, _BatchNorm) and (policy == "norm" or frozen):
            module.eval()
    if policy == "body":  # its dropout, too: the head learns from features as evaluation sees them
        network.eval()
        for head in heads_of(network):
            head.train()


def _learning_names(network: nn.Module, policy: str) -> set[str] | None:
    """Names of the parameters that learn; None: all."""
    if policy in ("none", "norm"):
        return None
    names = head_names(network)
    if policy == "body":
        return names
    last = int(policy.removeprefix("stages:"))
    try:
        groups = _stages(network)
    except (AttributeError, AssertionError) as error:  # AssertionError: RDNet's own words for it
        raise WrongInput(
            f"freeze = {policy!r}: timm does not say what the stages of {type(network).__name__} are. Use none, body or norm."
        ) from error
    if last >= len(groups):
        raise WrongInput(
            f"freeze = {policy!r}: this model has {len(groups)} stages. Use stages:1 to stages:{len(groups) - 1}."
        )
    return names.union(*groups[-last:])


def _stages(network: nn.Module) -> list[list[str]]:
    """timm's coarse groups of parameters from the input on, without the group of the head."""
    groups: dict[int, list[str]] = group_parameters(network, network.group_matcher(coarse=True))  # type: ignore[operator]
    of_head = head_names(network)
    bodies = ([name for name in groups[key] if name not in of_head] for key in sorted(groups))
    return [names for names in bodies if names]
