"""Every recipe trains: from its YAML to a run that packaging takes, with small pictures and without weights of the hub."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.training.conftest import write_photos
from training.recipes import recipe_names

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
    from training.layers import Words, layered
    from training.loop import train
    from training.package import check_run

    own = layered(Words(data="photos", recipe=name))
    size = {"image_size": min(own.image_size, 64), "train_size": None if own.train_size is None else 32}
    words = Words(
        str(few_photos), name, None, {**SMALL, **size, "run": tmp_path / "run", "cache_dir": tmp_path / "cache"}
    )
    run = train(layered(words))
    assert check_run(run.folder) == run.model
    assert len(run.epochs) == 2
