"""A plan says what the training then does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.training.conftest import tiny_config
from training.errors import WrongInput

if TYPE_CHECKING:
    from torch import nn

pytestmark = pytest.mark.torch


def test_a_plan_has_the_settings_that_the_training_runs_with(photos: Path, tmp_path: Path) -> None:
    """But for those that take a photo."""
    import yaml

    from training.fine_tune import train
    from training.planning import plan

    config = tiny_config(photos, tmp_path / "run", epochs=1, lr="auto", batch_size="auto", threads=None)
    planned = plan(config, ["recipe = balanced"])
    assert not (tmp_path / "run").exists()
    train(config)
    resolved = yaml.safe_load((tmp_path / "run" / "resolved.yaml").read_text())
    assert planned["settings"] == {**resolved, "cache": "auto"}
    assert planned["reasons"].keys() == {"device", "threads", "precision", "workers", "batch_size", "lr"}  # type: ignore[attr-defined]
    assert planned["notes"][0] == "recipe = balanced"  # type: ignore[index]
    with pytest.raises(WrongInput, match="is not empty"):
        plan(config)


def test_a_plan_builds_the_network_once(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import timm
    import torch

    from training.planning import plan

    built: list[str] = []
    create = timm.create_model

    def count(name: str, **given: Any) -> nn.Module:  # noqa: ANN401 - timm's own
        if torch.get_default_device().type != "meta":  # an outline without numbers costs nothing
            built.append(name)
        return create(name, **given)

    monkeypatch.setattr(timm, "create_model", count)
    plan(tiny_config(photos, tmp_path / "run"))
    assert built == ["resnet10t"]
