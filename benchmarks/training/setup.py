"""What both of our own trainers begin with: the settings of `podium train`, the network and the device."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass

import torch
from timm.utils.random import random_seed
from torch import nn

from training.auto import resolve
from training.config import TrainConfig, make_config
from training.fitting.fit import put_on
from training.network import choose_device, create_network


@dataclass(frozen=True)
class Setup:
    """One training's settings without `auto`, and its network on the device."""

    config: TrainConfig
    network: nn.Module
    device: torch.device
    class_count: int

    def facts(self) -> dict[str, object]:
        """What another trainer must know to do the same."""
        return {
            "device": str(self.device),
            "precision": self.config.precision,
            "threads": torch.get_num_threads(),
            "workers": self.config.workers,
        }


def set_up() -> Setup:
    """From the JSON that the process was started with: settings, and how many classes there are."""
    asked = json.loads(sys.argv[1])
    config, class_count = make_config(asked["config"]), int(asked["classes"])
    device = choose_device(config.device)
    random_seed(config.seed)  # type: ignore[no-untyped-call]
    network = put_on(create_network(config, class_count), device)
    settled = resolve(config, network, device, processes=1).config
    if settled.threads is not None:
        torch.set_num_threads(settled.threads)
    return Setup(settled, network, device, class_count)
