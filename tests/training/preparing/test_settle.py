"""From the settings that a person gave to those that a training runs with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.training.conftest import tiny_config

if TYPE_CHECKING:
    from training.preparing.prepare import Prepared
    from training.settings.settled import Settled

pytestmark = pytest.mark.torch


def settled(data: Path, run: Path, **changed: object) -> Settled:
    import torch

    from training.data.listing import list_photos
    from training.model.network import create_network
    from training.preparing.settle import settle
    from training.processes import World

    config = tiny_config(data, run, **changed)
    return settle(config, create_network(config, 3), list_photos(config), torch.device("cpu"), World())


def test_every_setting_that_was_auto_has_a_reason(photos: Path, tmp_path: Path) -> None:
    auto: dict[str, object] = {"epochs": "auto", "lr": "auto", "batch_size": "auto", "threads": None}
    settings = settled(photos, tmp_path / "run", **auto)
    assert set(settings.reasons) == {"device", "threads", "precision", "workers", "batch_size", "lr", "epochs", "cache"}
    assert (settings.epochs, settings.batch_size, settings.device) == (10, 32, "cpu")
    assert settings.reasons["epochs"] == "auto: hours is not set"


def test_settings_that_a_person_set_stay_and_have_no_reason(photos: Path, tmp_path: Path) -> None:
    """But for the cache, whose reason has the measurements."""
    set_: dict[str, object] = {"device": "cpu", "precision": "bf16", "workers": 3, "cache": "files"}
    settings = settled(photos, tmp_path / "run", **set_)
    assert {name: getattr(settings, name) for name in set_} == set_
    assert set(settings.reasons) == {"cache"}


def test_photos_end_their_augmentation_by_the_epochs_that_hours_chose(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a resumed training reads them, which knows no others."""
    import torch

    from training.data.listing import list_photos
    from training.preparing.prepare import prepare
    from training.processes import World

    def prepared(name: str, **changed: object) -> Prepared:
        config = tiny_config(photos, tmp_path / name, cache="memory", workers=1, hours=1, epochs=9, **changed)
        return prepare(config, list_photos(config), torch.device("cpu"), World(), lambda _: None, lambda _: None)

    monkeypatch.setattr("training.preparing.settle.train_speed", lambda *_: 0.02)  # 3240 s hold 4 epochs
    ending, never = prepared("ending", augment_off_epochs=3, rotation=40), prepared("never")
    assert (ending.settings.epochs, ending.settings.augment_off_epochs) == (4, 2)
    assert ending.settings.reasons["augment_off_epochs"] == "3 of 9 epochs were set, and there are 4"
    crops = [torch.equal(*(it.photos.training[3, 7, epoch][0] for it in (ending, never))) for epoch in (1, 2, 3, 4)]
    assert crops == [False, False, True, True]
