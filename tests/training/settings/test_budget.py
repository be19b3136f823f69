"""How much training fits into the hours that somebody has."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.training.conftest import tiny_config
from training.settings.budget import images_per_s, is_spent, told_of_the_end, within_hours
from training.settings.config import make_config, read_config, write_config


def test_processes_train_together_and_loader_workers_beside_the_model() -> None:
    alone, helped = (tiny_config(Path("photos"), Path("run"), workers=workers) for workers in (0, 4))
    assert images_per_s(helped, model=100, ready=50, processes=1) == 100
    assert images_per_s(helped, model=1000, ready=50, processes=2) == 400
    assert images_per_s(alone, model=100, ready=100, processes=1) == pytest.approx(50)
    assert images_per_s(alone, model=100, ready=float("inf"), processes=8) == pytest.approx(800)


def test_what_is_counted_in_epochs_shrinks_with_them_and_says_so() -> None:
    config = tiny_config(
        Path("photos"), Path("run"),
        hours=1, epochs=60, freeze_epochs=3, warmup_epochs=6, mix_off_epochs=5, augment_off_epochs=12,
    )  # fmt: skip
    settled, reasons = within_hours(config, 1.0, 318, 6)  # an epoch of 320 s, and 3240 s
    assert (settled.epochs, settled.freeze_epochs, settled.warmup_epochs) == (10, 1, 1.0)
    assert (settled.mix_off_epochs, settled.augment_off_epochs) == (1, 2)
    assert reasons["freeze_epochs"] == "3 of 60 epochs were asked for, and there are 10"
    assert set(reasons) == {"epochs", "freeze_epochs", "warmup_epochs", "mix_off_epochs", "augment_off_epochs"}


def test_in_the_only_epoch_that_fits_everything_learns() -> None:
    config = tiny_config(Path("photos"), Path("run"), hours=1e-9, epochs=20, freeze_epochs=1)
    settled, _ = within_hours(config, 1.0, 300, 30)
    assert (settled.epochs, settled.freeze_epochs, settled.warmup_epochs) == (1, 0, 0.05)


def test_hours_enough_change_nothing() -> None:
    config = tiny_config(Path("photos"), Path("run"), hours=100, epochs=3, freeze_epochs=1)
    settled, reasons = within_hours(config, 100.0, 300, 30)
    assert settled == config
    assert set(reasons) == {"epochs"}


def test_epochs_that_nobody_set_are_as_many_as_the_hours_hold(tmp_path: Path) -> None:
    """Also when the settings are read again, for another fold or the same training once more."""
    config = make_config({"data": "photos", "run": "run", "hours": 1})
    settled, reasons = within_hours(config, 1.0, 96, 12)  # an epoch of 100 s
    assert settled.epochs == 32
    assert reasons["epochs"] == "1 hours hold 32 epochs of 100 s (1 images/s); no number was asked for"
    write_config(config, tmp_path / "config.yaml")
    assert within_hours(read_config(tmp_path / "config.yaml"), 1.0, 96, 12)[0].epochs == 32
    write_config(settled, tmp_path / "resolved.yaml")
    assert read_config(tmp_path / "resolved.yaml").epochs == 32
    typed = make_config({"data": "photos", "run": "run", "hours": 1, "epochs": 10})
    write_config(typed, tmp_path / "config.yaml")
    assert within_hours(read_config(tmp_path / "config.yaml"), 1.0, 96, 12)[0].epochs == 10


def test_an_epoch_as_long_as_the_longest_must_still_fit() -> None:
    config = tiny_config(Path("photos"), Path("run"), hours=1)
    assert not is_spent(config, 3500.0, [80.0, 100.0])
    assert is_spent(config, 3501.0, [100.0, 80.0])
    assert not is_spent(config, 9999.0, []), "one epoch is always trained"
    assert not is_spent(tiny_config(Path("photos"), Path("run")), 9999.0, [100.0]), "without hours, there is no budget"


def test_an_end_by_the_clock_says_where_it_came_and_what_to_do() -> None:
    config = tiny_config(Path("photos"), Path("run"), hours=0.5, epochs=12)
    told = told_of_the_end(config, 1700.0, [300.0, 360.0])
    assert told.startswith("It ends after epoch 2 of 12, by the clock: 0.472 of hours = 0.5 are spent")
    assert "an epoch takes up to 360 s" in told
    assert told.endswith("Give more hours, or fewer epochs.")
