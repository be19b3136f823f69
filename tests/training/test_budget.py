"""How much training fits into the hours that somebody has."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.training.conftest import tiny_config
from training.budget import images_per_s, within_hours


def test_processes_train_together_and_loader_workers_beside_the_model() -> None:
    alone, helped = (tiny_config(Path("photos"), Path("run"), workers=workers) for workers in (0, 4))
    assert images_per_s(helped, model=100, ready=50, processes=1) == 100
    assert images_per_s(helped, model=1000, ready=50, processes=2) == 400
    assert images_per_s(alone, model=100, ready=100, processes=1) == pytest.approx(50)
    assert images_per_s(alone, model=100, ready=float("inf"), processes=8) == pytest.approx(800)


def test_what_is_counted_in_epochs_shrinks_with_them_and_says_so() -> None:
    config = tiny_config(
        Path("photos"), Path("run"), hours=1, epochs=60, freeze_epochs=3, warmup_epochs=6, mix_off_epochs=5
    )
    settled, reasons = within_hours(config, 1.0, 318, 6)  # an epoch of 320 s, and 3240 s
    assert (settled.epochs, settled.freeze_epochs, settled.warmup_epochs, settled.mix_off_epochs) == (10, 1, 1.0, 1)
    assert reasons["freeze_epochs"] == "3 of 60 epochs were asked for, and there are 10"
    assert set(reasons) == {"epochs", "freeze_epochs", "warmup_epochs", "mix_off_epochs"}


def test_in_the_only_epoch_that_fits_everything_learns() -> None:
    config = tiny_config(Path("photos"), Path("run"), hours=1e-9, epochs=20, freeze_epochs=1)
    settled, _ = within_hours(config, 1.0, 300, 30)
    assert (settled.epochs, settled.freeze_epochs, settled.warmup_epochs) == (1, 0, 0.05)


def test_hours_enough_change_nothing() -> None:
    config = tiny_config(Path("photos"), Path("run"), hours=100, epochs=3, freeze_epochs=1)
    settled, reasons = within_hours(config, 100.0, 300, 30)
    assert settled == config
    assert set(reasons) == {"epochs"}
