"""Hours are a budget: the clock ends a training that would overrun them."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.training.conftest import timeless, tiny_config
from tests.training.fitting.fits import a_fit, quiet
from tests.training.test_processes import environment
from tests.training.test_resume import interrupted
from training.errors import TrainingError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from training.fitting.state import TrainingState

pytestmark = pytest.mark.torch


def trained(data: Path, folder: Path, epoch_s: float, **changed: object) -> tuple[TrainingState, str | None]:
    """The state after epochs that each take so long by the clock, and the sentence with which they ended."""
    import torch

    from training.fitting.epochs import fit_epochs
    from training.fitting.state import TrainingState
    from training.fitting.tensorboard import Logs

    fit, photos = a_fit(data, folder, **changed)
    state = TrainingState.begin(torch.device("cpu"))

    def save(state: TrainingState) -> None:
        state.spent_s += epoch_s

    logs = Logs(fit.settings.run, wanted=False, first_epoch=1, first_step=1)
    sentence = fit_epochs(fit, photos, state, quiet(save), logs)
    assert fit_epochs(fit, photos, state, quiet(save), logs) == sentence, "resumed, it ends at once, in the same way"
    return state, sentence


def test_an_evaluation_that_fails_leaves_the_state_of_the_trained_epoch(photos: Path, tmp_path: Path) -> None:
    """And a training that goes on from there ends in the very weights of an undisturbed one."""
    import torch

    from training.fitting.epochs import fit_epochs
    from training.fitting.state import TrainingState
    from training.fitting.tensorboard import Logs

    class OutOfMemory(Exception):
        pass

    def fail(module: nn.Module, _: object) -> None:
        if not module.training:
            raise OutOfMemory

    no_logs = Logs(tmp_path, wanted=False, first_epoch=1, first_step=1)
    kept: list[tuple[dict[str, Tensor], dict[str, Any]]] = []
    fit, seen = a_fit(photos, tmp_path)
    hook = fit.network.register_forward_pre_hook(fail)
    callbacks = replace(quiet(), save_trained=lambda state: kept.append(fit.tensors(state)))
    with pytest.raises(OutOfMemory):
        fit_epochs(fit, seen, TrainingState.begin(fit.device), callbacks, no_logs)
    hook.remove()
    [(tensors, facts)] = kept
    tensors = {name: tensor.clone() for name, tensor in tensors.items()}
    assert (facts["state"]["epoch"], facts["state"]["step"], facts["state"]["epochs"]) == (1, len(fit.batches), [])

    again, seen = a_fit(photos, tmp_path)
    fit_epochs(again, seen, again.load(tensors, facts), quiet(), no_logs)
    undisturbed, seen = a_fit(photos, tmp_path)
    fit_epochs(undisturbed, seen, TrainingState.begin(fit.device), quiet(), no_logs)
    expected = undisturbed.network.state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in again.network.state_dict().items())


def test_curves_that_cannot_be_written_end_in_a_sentence(tmp_path: Path) -> None:
    from training.fitting.tensorboard import Logs

    (tmp_path / "tensorboard").write_text("in the way")
    with pytest.raises(TrainingError, match=r"cannot be written to .*podium train --resume"):
        Logs(tmp_path, wanted=True, first_epoch=1, first_step=1)


def test_it_ends_before_an_epoch_that_would_overrun_the_hours(photos: Path, tmp_path: Path) -> None:
    state, sentence = trained(photos, tmp_path, 1500.0, hours=1, epochs=6)
    assert len(state.epochs) == 3
    assert sentence is not None
    assert sentence.startswith("It ends after epoch 3 of 6, by the clock: 1.25 of hours = 1 are spent")
    assert (tmp_path / "run" / "model.safetensors").exists()


def test_hours_that_hold_all_epochs_are_not_mentioned(photos: Path, tmp_path: Path) -> None:
    state, sentence = trained(photos, tmp_path, 1500.0, hours=1, epochs=3)
    assert (len(state.epochs), sentence) == (3, None)


def test_without_hours_the_clock_ends_nothing(photos: Path, tmp_path: Path) -> None:
    state, sentence = trained(photos, tmp_path, 1e9, epochs=2)
    assert (len(state.epochs), sentence) == (2, None)


def test_an_epoch_as_long_as_the_longest_must_still_fit() -> None:
    from training.fitting.epochs import is_spent

    assert not is_spent(1, 3500.0, [80.0, 100.0])
    assert is_spent(1, 3501.0, [100.0, 80.0])
    assert not is_spent(1, 9999.0, []), "one epoch is always trained"


def test_an_end_by_the_clock_says_in_which_epoch_it_came_and_what_to_do() -> None:
    from training.fitting.epochs import ended_by_hours

    sentence = ended_by_hours(0.5, 12, 1700.0, [300.0, 360.0])
    assert sentence.startswith("It ends after epoch 2 of 12, by the clock: 0.472 of hours = 0.5 are spent")
    assert "an epoch takes up to 360 s" in sentence
    assert sentence.endswith("Give more hours, or fewer epochs.")


def test_hours_count_what_was_spent_before_an_interruption_and_the_epochs_are_the_same(
    photos: Path, tmp_path: Path
) -> None:
    """The epoch that had begun is finished; the run is whole, and ends with the learning rate of the epochs that were meant."""
    from training.fine_tune import resume, train
    from training.fitting.checkpoint import read_checkpoint, write_checkpoint

    settings = {"hours": 1, "epochs": 4}
    whole = train(tiny_config(photos, tmp_path / "whole", **settings))
    config = tiny_config(photos, tmp_path / "run", **settings)
    interrupted(config, 2, 1)
    found = read_checkpoint(config.run)
    assert found is not None
    tensors, facts = found
    facts["state"]["spent_s"] = 3600.0
    write_checkpoint(config.run, tensors, facts)
    notes: list[str] = []
    run = resume(config.run, on_note=notes.append)
    assert notes[-1].startswith("It ends after epoch 2 of 4, by the clock")
    assert timeless(run) == timeless(whole)[:2]
    assert len(whole.epochs) == 4
    assert (config.run / "model.json").exists()


CLOCKS = """
from types import SimpleNamespace as Some
from training.fitting.epochs import hours_are_spent
from training.processes import joined
with joined("cpu") as (world, _):
    fit = Some(settings=Some(hours=1), world=world)
    for leads, other in ((0.0, 9999.0), (9999.0, 0.0)):
        state = Some(step=0, spent_s=leads if world.leads else other, epochs=[Some(seconds=1.0)])
        print(f"the leading process {leads:.0f} s: {hours_are_spent(fit, state)}")
"""


def test_all_processes_go_by_the_leading_ones_clock() -> None:
    """Else one of them would wait for gradients that never come."""
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--no-python"]
    answer = subprocess.run(
        [*launch, sys.executable, "-c", CLOCKS], capture_output=True, text=True, check=False, timeout=120,
        env=environment(),
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.count("the leading process 0 s: False") == 2
    assert answer.stdout.count("the leading process 9999 s: True") == 2
