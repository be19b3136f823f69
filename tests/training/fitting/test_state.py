"""Which epoch is the best, when the learning rate decays, and when it is enough."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.training.conftest import tiny_settled

if TYPE_CHECKING:
    from training.fitting.state import TrainingState

pytestmark = pytest.mark.torch


def after(
    tmp_path: Path, lines: list[tuple[float, float]], **changed: object
) -> tuple[TrainingState, list[bool], bool]:
    """The state after epochs of these (top1, loss), which of them were the best so far, and whether it has ended."""
    import torch

    from training.fitting.state import TrainingState
    from training.run import Epoch

    settings = tiny_settled(tmp_path, tmp_path / "run", **{"epochs": 9, **changed})
    state = TrainingState.begin(torch.device("cpu"))
    better = []
    for number, (top1, loss) in enumerate(lines, start=1):
        line = Epoch(number, 1.0, 0.5, loss, top1, top1, 1 - top1, 0.1, 1.0, 1.0, best=False)
        better.append(state.record(line, settings))
        state.epoch += 1
    return state, better, state.has_ended(settings)


def test_the_best_is_the_highest_figure_then_the_lowest_loss(tmp_path: Path) -> None:
    _, better, _ = after(tmp_path, [(0.5, 1.0), (0.5, 0.9), (0.5, 0.95), (0.6, 2.0)])
    assert better == [True, True, False, True]


def test_the_monitored_figure_may_be_another(tmp_path: Path) -> None:
    assert after(tmp_path, [(0.5, 1.0), (0.6, 1.1)], monitor="loss")[1] == [True, False]
    assert after(tmp_path, [(0.5, 1.0), (0.4, 1.1)], monitor="macro_f1")[1] == [True, True]


def test_it_ends_when_so_many_epochs_brought_nothing(tmp_path: Path) -> None:
    lines = [(0.5, 1.0), (0.4, 1.0), (0.4, 1.0)]
    assert after(tmp_path, lines, early_stopping=2)[2]
    assert not after(tmp_path, lines, early_stopping=3)[2]
    assert not after(tmp_path, lines)[2]


def test_plateau_decays_after_more_than_so_many_epochs_without_a_lower_loss(tmp_path: Path) -> None:
    lines = [(0.5, 1.0), (0.6, 1.0), (0.7, 1.1), (0.8, 1.2)]
    assert after(tmp_path, lines[:3], decay_epochs=2)[0].decays == 0
    assert after(tmp_path, lines, decay_epochs=2)[0].decays == 1


FALLING = [(0.5, 1.0), (0.4, 1.1), (0.4, 1.2)]  # the first epoch is the best


def test_early_stopping_restarts_when_the_body_is_unfrozen(tmp_path: Path) -> None:
    settings = {"freeze_epochs": 3, "early_stopping": 2}
    state, _, ended = after(tmp_path, FALLING, **settings)
    assert (state.stale, ended) == (0, False)
    assert not after(tmp_path, [*FALLING, (0.3, 1.3)], **settings)[2]
    assert after(tmp_path, [*FALLING, (0.3, 1.3), (0.3, 1.3)], **settings)[2]


def test_no_training_ends_while_the_body_waits_for_its_turn(tmp_path: Path) -> None:
    assert not after(tmp_path, FALLING, freeze_epochs=5, early_stopping=1)[2]
    assert not after(tmp_path, FALLING, freeze_epochs=3, early_stopping=1)[2]
    assert after(tmp_path, FALLING, freeze_epochs=2, early_stopping=1)[2]
    assert after(tmp_path, FALLING, freeze="body", freeze_epochs=5, early_stopping=2)[2], "the body's turn never comes"


def test_the_body_begins_at_the_configured_rate_whatever_the_head_lost(tmp_path: Path) -> None:
    from training.fitting.schedule import Schedule

    settings = {"schedule": "plateau", "decay_epochs": 1, "warmup_epochs": 0}
    frozen, _, _ = after(tmp_path, FALLING, **settings, freeze_epochs=4)
    begun, _, _ = after(tmp_path, FALLING, **settings, freeze_epochs=3)
    schedule = Schedule(tiny_settled(tmp_path, tmp_path / "run", **settings), updates_per_epoch=5)
    assert [schedule.scale(15, decays=state.decays) for state in (frozen, begun)] == [0.5, 1]


def test_a_loss_that_rises_when_the_body_begins_to_learn_is_the_one_to_beat(tmp_path: Path) -> None:
    """Else the rate would fall while the body is on its way back to the head's best loss."""
    lines = [(0.5, 1.0), (0.5, 3.0), (0.5, 2.0), (0.5, 1.5)]
    assert after(tmp_path, lines, freeze_epochs=1, decay_epochs=1)[0].decays == 0
    assert after(tmp_path, [*lines, (0.5, 1.5), (0.5, 1.5)], freeze_epochs=1, decay_epochs=1)[0].decays == 1


def test_the_best_weights_are_the_best_of_frozen_epochs_too(tmp_path: Path) -> None:
    assert after(tmp_path, [(0.5, 1.0), (0.4, 1.1), (0.6, 0.9)], freeze_epochs=1)[1] == [True, False, True]


def test_a_state_survives_its_facts(tmp_path: Path) -> None:
    import json

    from training.fitting.state import TrainingState

    state, _, _ = after(tmp_path, [(0.5, 1.0), (0.6, 1.0)])
    again = TrainingState.of(
        json.loads(json.dumps(state.facts())), tallies=state.tallies, best_logits=state.best_logits
    )
    assert again.facts() == state.facts()
    assert again.epochs == state.epochs
