"""Which model stands for a family of timm, and how small its images may be. A family is a module of `timm.models`."""

from __future__ import annotations

from dataclasses import dataclass

import timm
import torch

import inference.networks  # noqa: F401 - makes its models known to timm
from training.errors import WrongInput
from training.model.network import create_network
from training.preparing.checking import check_alone
from training.preparing.trial import step
from training.settings.config import TrainConfig, make_config

SIDES = (32, 48, 64, 96, 128, 160, 192, 224, 256)  # in pixels; after them a model's own
# Their smallest models have 86 to 412 million parameters: two of the equal blocks show as much as twelve or thirty.
TWO_BLOCKS = ("beit", "deepseek_vit", "gemma4_vit", "naflexvit", "qwen3_vit", "vision_transformer_sam")


def model_args(family: str) -> dict[str, object]:
    """Further arguments of timm.create_model for the family's model."""
    return {"depth": 2} if family in TWO_BLOCKS else {}


@dataclass(frozen=True)
class Family:
    """A module of `timm.models`: how many models it has, those without a classifier, and the smallest one that has it."""

    models: int
    encoders: tuple[str, ...]
    smallest: str


def look_at(family: str) -> Family:
    """Every model of the family is counted, and none is made."""
    parameters: dict[str, int] = {}
    names = timm.list_models(module=family)
    for name in names:
        with torch.device("meta"):
            network = timm.create_model(name)
        if hasattr(network, "get_classifier"):
            parameters[name] = sum(parameter.numel() for parameter in network.parameters())
    encoders = tuple(name for name in names if name not in parameters)
    return Family(len(names), encoders, min(parameters, key=lambda name: parameters[name]))


def smallest_config(model: str, values: dict[str, object]) -> TrainConfig:
    """A training of the model with these settings, at the smallest image size that it takes.

    Raises WrongInput, as a training would, if it takes none.
    """
    known = timm.get_pretrained_cfg(model)
    own = known.input_size[-1] if known else 224
    for side in (*(side for side in SIDES if side < own), own):
        config = make_config({**values, "model": model, "image_size": side})
        try:
            step(config, create_network(config, 3), 3)
        except WrongInput:
            continue
        return config
    check_alone(config)
    return config
