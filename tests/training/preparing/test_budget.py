"""How much training fits into the hours that somebody has."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.training.conftest import tiny_config
from training.preparing.budget import images_per_s, within_hours
from training.settings.config import make_config, read_config, write_config


def test_processes_train_together_and_loader_workers_beside_the_model() -> None:
    assert images_per_s(100, 50, workers=4, processes=1) == 100
    assert images_per_s(1000, 50, workers=4, processes=2) == 400
    assert images_per_s(100, 100, workers=0, processes=1) == pytest.approx(50)
    assert images_per_s(100, float("inf"), workers=0, processes=8) == pytest.approx(800)


def test_what_is_counted_in_epochs_shrinks_with_them_and_says_so() -> None:
    config = tiny_config(
        Path("photos"),
        Path("run"),
        epochs=60,
        freeze_epochs=3,
        warmup_epochs=6,
        mix_off_epochs=5,
        augment_off_epochs=12,
    )
    counted, reasons = within_hours(config, 1, 1.0, 318, 6)  # an epoch of 320 s, and 3240 s
    assert counted == {
        "epochs": 10, "freeze_epochs": 1, "warmup_epochs": 1.0, "mix_off_epochs": 1, "augment_off_epochs": 2
    }  # fmt: skip
    assert reasons["freeze_epochs"] == "3 of 60 epochs were set, and there are 10"
    assert set(reasons) == set(counted)


def test_in_the_only_epoch_that_fits_everything_learns() -> None:
    config = tiny_config(Path("photos"), Path("run"), epochs=20, freeze_epochs=1)
    counted, _ = within_hours(config, 1e-9, 1.0, 300, 30)
    assert counted == {"epochs": 1, "freeze_epochs": 0, "warmup_epochs": 0.05}


def test_hours_enough_change_nothing() -> None:
    config = tiny_config(Path("photos"), Path("run"), epochs=3, freeze_epochs=1)
    counted, reasons = within_hours(config, 100, 100.0, 300, 30)
    assert counted == {"epochs": 3}
    assert set(reasons) == {"epochs"}


def test_epochs_that_are_auto_are_as_many_as_the_hours_hold(tmp_path: Path) -> None:
    """Also when the settings are read again, for another fold or the same training once more."""
    auto = make_config({"data": "photos", "run": "run"})
    counted, reasons = within_hours(auto, 1, 1.0, 96, 12)  # an epoch of 100 s
    assert counted["epochs"] == 32
    assert reasons["epochs"] == "1 hours hold 32 epochs of 100 s (1 images/s); epochs was auto"
    set_ = make_config({"data": "photos", "run": "run", "epochs": 10})
    for config, epochs in ((auto, 32), (set_, 10)):
        write_config(config, tmp_path / "config.yaml")
        assert within_hours(read_config(tmp_path / "config.yaml"), 1, 1.0, 96, 12)[0]["epochs"] == epochs
