"""What steps and epochs need, made as a training makes it, for tests that drive them by themselves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tests.training.conftest import tiny_config

if TYPE_CHECKING:
    from collections.abc import Callable

    from training.fitting.fit import Fit
    from training.fitting.state import State
    from training.fitting.steps import Watch
    from training.photos.photos import Photos


def a_fit(data: Path, folder: Path, **changed: object) -> tuple[Fit, Photos]:
    """A training on one CPU that has made no step; the run folder is there, and empty. `changed` replaces settings."""
    import torch

    from training.data.listing import list_photos
    from training.fitting.fit import make_fit
    from training.model.network import create_network, preprocessing_of
    from training.photos.photos import read_photos
    from training.processes import World

    torch.manual_seed(0)
    torch.set_num_threads(1)  # threads without a core of their own wait for each other
    settings: dict[str, object] = {"cache": "device", "precision": "fp32", "workers": 0}
    config = tiny_config(data, folder / "run", **(settings | changed))
    config.run.mkdir(exist_ok=True)
    network = create_network(config, 3)
    preprocessing = preprocessing_of(network, config)
    photos = read_photos(list_photos(config), config, preprocessing, lambda: None, folder=folder / "cache")
    return make_fit(config, network, preprocessing, photos, torch.device("cpu"), World()), photos


def a_watch(save: Callable[[State], None] = lambda _: None) -> Watch:
    """One whom nobody asks to stop, and who saves nothing within an epoch."""
    from training.fitting.steps import Watch

    return Watch(tell=lambda _: None, stop_asked=lambda: False, save=save, stop=lambda _: None, save_every_s=1e9)
