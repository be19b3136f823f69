"""What steps and epochs need, made as a training makes it, for tests that drive them by themselves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tests.training.conftest import tiny_settled

if TYPE_CHECKING:
    from collections.abc import Callable

    from training.fitting.fit import Fit
    from training.fitting.state import TrainingState
    from training.fitting.steps import Callbacks
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
    settings = tiny_settled(data, folder / "run", **{"cache": "device", **changed})
    settings.run.mkdir(exist_ok=True)
    network = create_network(settings, 3)
    preprocessing = preprocessing_of(network, settings)
    photos = read_photos(list_photos(settings), settings, preprocessing, lambda: None)
    return make_fit(settings, network, preprocessing, photos, torch.device("cpu"), World()), photos


def quiet(save: Callable[[TrainingState], None] = lambda _: None) -> Callbacks:
    """Nothing is reported, nobody stops the training, and it saves nothing within an epoch."""
    from training.fitting.steps import Callbacks

    return Callbacks(
        report=lambda _: None, stop_requested=lambda: False, save=save, stop=lambda _: None,
        save_trained=lambda _: None, save_every_s=1e9,
    )  # fmt: skip
