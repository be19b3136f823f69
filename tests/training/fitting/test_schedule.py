"""The learning rate as a function of the step."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.training.conftest import tiny_settled
from training.fitting.schedule import Schedule


def scales(tmp_path: Path, **changed: object) -> list[float]:
    settings = tiny_settled(
        tmp_path, tmp_path / "run", **{"epochs": 10, "warmup_epochs": 0, "min_lr_scale": 0.01, **changed}
    )
    schedule = Schedule(settings, updates_per_epoch=5)
    return [schedule.scale(update) for update in range(50)]


def test_cosine_falls_from_one_to_the_floor(tmp_path: Path) -> None:
    found = scales(tmp_path, schedule="cosine")
    assert found[0] == 1
    assert found == sorted(found, reverse=True)
    assert found[-1] == pytest.approx(0.01, abs=0.002)


def test_warmup_rises_in_equal_steps(tmp_path: Path) -> None:
    found = scales(tmp_path, schedule="constant", warmup_epochs=1)
    assert found[:6] == pytest.approx([0.01, 0.208, 0.406, 0.604, 0.802, 1.0])


def test_onecycle_is_torchs_own(tmp_path: Path) -> None:
    import torch

    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    theirs = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 1.0, total_steps=50, pct_start=16 / 50, final_div_factor=4, cycle_momentum=False
    )
    expected = []
    for _ in range(50):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        theirs.step() if len(expected) < 50 else None
    found = scales(tmp_path, schedule="onecycle")
    assert max(found) == 1.0
    assert found[0] == pytest.approx(1 / 25)
    assert found[-1] == pytest.approx(0.01)
    assert found == pytest.approx(expected)


def test_step_decays_by_its_factor_after_so_many_epochs(tmp_path: Path) -> None:
    found = scales(tmp_path, schedule="step", decay_epochs=3, decay_factor=0.5)
    assert [found[epoch * 5] for epoch in (0, 2, 3, 6, 9)] == [1, 1, 0.5, 0.25, 0.125]


def test_plateau_has_decayed_as_often_as_the_state_says(tmp_path: Path) -> None:
    settings = tiny_settled(
        tmp_path, tmp_path / "run", schedule="plateau", warmup_epochs=0, decay_factor=0.5, min_lr_scale=0.2
    )
    schedule = Schedule(settings, updates_per_epoch=5)
    assert [schedule.scale(7, decays=decays) for decays in (0, 1, 2, 3)] == [1, 0.5, 0.25, 0.2]
