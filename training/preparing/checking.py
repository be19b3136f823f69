"""Check the settings against the network that they make, before any photo is read."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import timm
import torch
from timm.optim._optim_factory import list_optimizers
from torch import nn

from training.augment.batched import BatchAugment
from training.augment.single import training_transform
from training.errors import WrongInput
from training.fitting.freezing import set_learning
from training.fitting.optimisation import create_optimizer
from training.model.network import choose_device, preprocessing_of
from training.model.provenance import Pretrained
from training.preparing.trial import made, try_step
from training.settings.config import TrainConfig
from training.settings.recipes import read_recipe, recipe_names

ANY_LR = 1e-3  # in place of `auto`, which is not settled yet


def check_settings(config: TrainConfig, network: nn.Module, class_count: int) -> None:
    """WrongInput if the network or timm does not know the optimizer, the freezing or the augmentation, or takes no step.

    Each is made once, as the training will make it, and thrown away; the network is left as it was.
    """
    _check_optimizer_name(config.optimizer)
    create_optimizer(network, config, lr=ANY_LR if isinstance(config.lr, str) else config.lr)
    with _left_as_it_was(network):
        set_learning(network, config.freeze)
    training_transform(config)
    if config.cache == "device":
        BatchAugment(config, torch.device("cpu"))
    preprocessing_of(network, config)
    try_step(config, network, class_count)


def check_alone(config: TrainConfig) -> None:
    """Check the settings without photos and without a download, on a network of two classes."""
    choose_device(config.device)
    check_settings(config, create_undownloaded(config, 2), 2)


def create_undownloaded(
    config: TrainConfig, class_count: int, on_pretrained: Callable[[Pretrained], None] = lambda _: None
) -> nn.Module:
    """The configured network, with random weights in place of the hub's; WrongInput if the hub has none."""
    from_hub = config.pretrained == "hub"
    network = made(
        config, class_count, pretrained="none" if from_hub else config.pretrained, on_pretrained=on_pretrained
    )
    if from_hub and not timm.is_model_pretrained(config.model):
        raise WrongInput(f"The hub has no weights for {config.model}. Use --pretrained none or a file.")
    return network


def random_weights_note(config: TrainConfig) -> str | None:
    """A sentence if a training starts from random weights though timm has trained ones, and no recipe wants them so."""
    if config.pretrained != "none" or not timm.is_model_pretrained(config.model):
        return None
    if config.recipe in recipe_names() and read_recipe(config.recipe).settings.get("pretrained", "none") == "none":
        return None
    return (
        f"pretrained = none ({config.model} starts from random weights, though timm has trained ones: type"
        " pretrained=hub to start from those)"
    )


def _check_optimizer_name(name: str) -> None:
    """timm reads the last part of `lookahead_adamw`, and passes over any other first part without a word."""
    plain = [str(one) for one in list_optimizers()]
    known = [*plain, *(f"lookahead_{one}" for one in plain)]
    if name.lower() not in known:
        near = difflib.get_close_matches(name.lower(), known if "_" in name else plain, n=3, cutoff=0.4)
        raise WrongInput(f"timm has no optimizer {name!r}. Near names: {', '.join(near) or 'none; use adamw'}.")


@contextmanager
def _left_as_it_was(network: nn.Module) -> Iterator[None]:
    """Memory is measured, weights are averaged, and processes are joined, on a network of which all learns."""
    learning = [(parameter, parameter.requires_grad) for parameter in network.parameters()]
    modes = [(module, module.training) for module in network.modules()]
    try:
        yield
    finally:
        for parameter, learns in learning:
            parameter.requires_grad = learns
        for module, trains in modes:
            module.training = trains
