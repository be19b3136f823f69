"""Every recipe trains: from its YAML to a run that packaging takes, with small pictures and without weights of the hub."""

from __future__ import annotations

from math import log
from pathlib import Path

import pytest

from tests.training.conftest import write_photos
from training.settings.recipes import recipe_names

pytestmark = pytest.mark.torch

SMALL: dict[str, object] = {
    "pretrained": "none",
    "compile": False,
    "threads": 1,
    "tensorboard": False,
    "batch_size": 4,
    "epochs": 2,
    "folds": None,
}


@pytest.fixture(scope="module")
def few_photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_photos(tmp_path_factory.mktemp("few"), per_class=4, size_px=40)


@pytest.mark.parametrize("name", recipe_names())
def test_the_recipe_trains(few_photos: Path, tmp_path: Path, name: str) -> None:
    from training.fine_tune import train
    from training.model.network import load_run
    from training.settings.layering import layered
    from training.settings.words import Words

    own = layered(Words(data="photos", recipe=name))
    size = {"image_size": min(own.image_size, 64), "train_size": None if own.train_size is None else 32}
    words = Words(
        str(few_photos), name, None, {**SMALL, **size, "run": tmp_path / "run", "cache_dir": tmp_path / "cache"}
    )
    run = train(layered(words))
    assert load_run(run.folder)[1] == run.model
    assert len(run.epochs) == 2


@pytest.mark.parametrize("name", ["cifar10-cnn", "cifar10-cnn-augmented", "cifar10-fast"])
def test_a_recipe_for_random_weights_does_not_begin_by_blowing_up(tmp_path: Path, name: str) -> None:
    """Many times a guess's loss: a rate of 0.2 on 4,096 features that nothing normalises, and sixteen epochs to recover."""
    from training.fine_tune import train
    from training.settings.layering import layered
    from training.settings.words import Words

    photos = write_photos(tmp_path / "photos", per_class=48, size_px=32)
    settings = {**SMALL, "batch_size": 16, "epochs": 3, "run": tmp_path / "run", "cache_dir": tmp_path / "cache"}
    run = train(layered(Words(str(photos), name, None, settings)))
    assert max(epoch.train_loss for epoch in run.epochs) < 3 * log(len(run.model.classes))
