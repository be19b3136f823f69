"""Whether a network that trains will be made again by the readers of its run and of its archive."""

from __future__ import annotations

import json

from torch import nn

from inference.archive.errors import ModelRefused
from inference.engines.network import outline_of
from training.errors import NetworkRefused
from training.model.network import model_args_of
from training.settings.config import TrainConfig


def check_loads(config: TrainConfig, network: nn.Module, class_count: int) -> None:
    """NetworkRefused unless model.json will make a network of the very same tensors: else all training is for nothing.

    What a reader does is done here, with the arguments as JSON keeps them.
    """
    kept = json.loads(json.dumps(model_args_of(config)))
    try:
        outline = outline_of(config.model, kept, class_count)
    except ModelRefused as error:
        raise NetworkRefused(f"no run with it could be loaded: {error.problem.rstrip('.')}") from error
    made, again = ({name: it.shape for name, it in one.state_dict().items()} for one in (network, outline))
    if made != again:
        other = min(name for name in made.keys() | again.keys() if made.get(name) != again.get(name))
        raise NetworkRefused(f"no run with it could be loaded: {other} would be another one there")
