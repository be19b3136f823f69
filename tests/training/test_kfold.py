"""k-fold cross-validation that was interrupted goes on with the fold it was in."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import training
from tests.training.conftest import tiny_config
from training.errors import Preempted, WrongInput

if TYPE_CHECKING:
    from training.run import TrainingProgress

pytestmark = pytest.mark.torch


@pytest.mark.parametrize(("folds", "t"), [(2, 12.706), (3, 4.303), (5, 2.776), (11, 2.228), (31, 2.042)])
def test_the_interval_of_a_mean_is_students_for_any_number_of_folds(folds: int, t: float) -> None:
    """t at 97.5 % for folds - 1 degrees of freedom, from the printed tables."""
    from statistics import mean, stdev

    from training.kfold import Spread

    scores = [0.8 + 0.01 * (fold % 5) + 0.001 * fold for fold in range(folds)]
    spread = Spread.of(scores)
    half = t * stdev(scores) / folds**0.5
    assert (spread.mean, spread.deviation) == pytest.approx((mean(scores), stdev(scores)))
    assert (spread.low, spread.high) == pytest.approx((mean(scores) - half, mean(scores) + half), rel=1e-4)


@pytest.mark.parametrize(
    ("shares", "photos"),
    [([1.0, 1.0], 20), ([0.0, 0.0, 0.0], 5), ([0.9, 1.0], 10), ([0.0, 0.4], 10), ([0.98, 1.0, 0.99, 1.0, 0.97], 100)],
)
def test_the_interval_of_a_share_lies_between_0_and_1_and_never_claims_certainty(
    shares: list[float], photos: int
) -> None:
    from training.evaluation.intervals import share
    from training.kfold import Spread

    spread = Spread.of_shares(shares, [photos] * len(shares))
    together = share(round(sum(shares) * photos), photos * len(shares))
    assert 0 <= spread.low <= together.low
    assert together.high <= spread.high <= 1
    assert spread.low <= spread.mean <= spread.high
    assert spread.high - spread.low > 0.01


def test_the_interval_of_a_loss_is_not_under_0() -> None:
    from training.kfold import Spread

    assert Spread.of([0.1, 0.5]).low == 0


def test_folds_that_were_stopped_go_on_to_the_very_weights(photos: Path, tmp_path: Path) -> None:
    from training.fine_tune import resume
    from training.kfold import are_folds, resume_folds, train_folds

    def stop_in_the_second(fold: int, folds: int, now: TrainingProgress) -> None:
        if (fold, folds) == (1, 3) and now.stage == "scored" and now.epoch == 1:
            os.kill(os.getpid(), signal.SIGTERM)

    whole = train_folds(tiny_config(photos, tmp_path / "whole", folds=3))
    config = tiny_config(photos, tmp_path / "run", folds=3)
    with pytest.raises(Preempted, match=f"--resume {config.run}$"):
        train_folds(config, on_progress=stop_in_the_second)
    assert are_folds(config.run)
    assert not are_folds(config.run / "fold-0")
    with pytest.raises(WrongInput, match="holds folds"):
        resume(config.run)
    trained: set[tuple[int, int]] = set()
    folds = resume_folds(config.run, on_progress=lambda fold, folds, _now: trained.add((fold, folds)))
    assert trained == {(1, 3), (2, 3)}
    assert [run.model.weights for run in folds.runs] == [run.model.weights for run in whole.runs]
    assert folds.top1 == whole.top1
    written = [json.loads((folder / "folds.json").read_text()) for folder in (config.run, whole.folder)]
    assert written[0] == written[1]
    with pytest.raises(WrongInput, match="holds finished folds"):
        resume_folds(config.run)


def test_a_fold_that_had_not_got_to_its_first_epoch_begins_anew(photos: Path, tmp_path: Path) -> None:
    from training.kfold import resume_folds
    from training.settings.config import write_config

    config = tiny_config(photos, tmp_path / "run", folds=2, epochs=1)
    (config.run / "fold-0").mkdir(parents=True)
    (config.run / "fold-0" / "config.yaml").write_text("seed: 0\n")
    write_config(config, config.run / "folds.yaml")
    assert len(resume_folds(config.run).runs) == 2


def test_from_python_one_training_is_one_fold(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(WrongInput, match=r"folds = 5 is as many trainings\. Give fold=0"):
        training.train(photos, recipe="cnn", run=tmp_path / "run")
    assert not (tmp_path / "run").exists()
