"""Which epoch is the best, when the learning rate decays, and when it is enough."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.training.conftest import tiny_config

if TYPE_CHECKING:
    from training.fitting.state import State

pytestmark = pytest.mark.torch


def after(tmp_path: Path, lines: list[tuple[float, float]], **changed: object) -> tuple[State, list[bool], bool]:
    """The state after epochs of these (top1, loss), which of them were the best so far, and whether it has ended."""
    import torch

    from training.fitting.state import State
    from training.run import Epoch

    config = tiny_config(tmp_path, tmp_path / "run", **{"epochs": 9, **changed})
    state = State.begin(torch.device("cpu"))
    better = []
    for number, (top1, loss) in enumerate(lines, start=1):
        line = Epoch(number, 1.0, 0.5, loss, top1, top1, 1 - top1, 0.1, 1.0, 1.0, best=False)
        better.append(state.judge(line, config))
        state.epoch += 1
    return state, better, state.has_ended(config)


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


def test_a_state_survives_its_facts(tmp_path: Path) -> None:
    import json

    from training.fitting.state import State

    state, _, _ = after(tmp_path, [(0.5, 1.0), (0.6, 1.0)])
    again = State.of(json.loads(json.dumps(state.facts())), tallies=state.tallies, best_logits=state.best_logits)
    assert again == state
