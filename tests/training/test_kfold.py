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
    from training.run import Progress

pytestmark = pytest.mark.torch


def test_folds_that_were_stopped_go_on_to_the_very_weights(photos: Path, tmp_path: Path) -> None:
    from training.kfold import are_folds, resume_folds, train_folds
    from training.train import resume

    def stop_in_the_second(fold: int, folds: int, now: Progress) -> None:
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
    told = [json.loads((folder / "folds.json").read_text()) for folder in (config.run, whole.folder)]
    assert told[0] == told[1]
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
