"""The sentence about a folder without a finished run: it never sends a person to train again what can go on."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from training.errors import TrainingError, WrongInput

pytestmark = pytest.mark.torch


def made(folder: Path, *names: str) -> Path:
    """A folder with these files, empty."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def refusal(folder: Path) -> str:
    from training.model.model_file import read_model_file

    with pytest.raises(TrainingError) as refused:
        read_model_file(folder)
    return str(refused.value)


def test_a_training_that_was_stopped_is_to_be_resumed(tmp_path: Path) -> None:
    run = made(tmp_path / "my run", "config.yaml", "resolved.yaml", "checkpoints/last.safetensors")
    assert refusal(run) == f"{run} is no finished run: its training was stopped. Go on: podium train --resume '{run}'"


def test_a_training_that_runs_is_to_be_waited_for(tmp_path: Path) -> None:
    run = made(tmp_path / "run", "resolved.yaml", ".lock")
    with (run / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert refusal(run) == f"{run} is being trained now. Wait until that has ended."
    assert "its training was stopped" in refusal(run)


def test_finished_folds_are_named(tmp_path: Path) -> None:
    folds = made(tmp_path / "kf", "folds.yaml", "folds.json", "fold-0/model.json", "fold-1/model.json")
    assert refusal(folds) == f"{folds} holds 2 folds, each of them a run. Give one, as {folds}/fold-0."


def test_folds_that_were_stopped_are_to_be_resumed_together(tmp_path: Path) -> None:
    folds = made(tmp_path / "kf", "folds.yaml", "fold-0/model.json", "fold-1/resolved.yaml")
    go_on = f"Go on: podium train --resume {folds}"
    assert refusal(folds) == f"{folds} holds folds that were not all trained; {folds}/fold-0 is finished. {go_on}"
    assert refusal(folds / "fold-1") == f"{folds}/fold-1 is no finished run: its training was stopped. {go_on}"


def test_a_training_that_ended_before_its_first_step_is_to_be_trained_again(tmp_path: Path) -> None:
    from training.fine_tune import resume

    run = made(tmp_path / "run", "config.yaml", "split.csv")
    sentence = f"{run} holds a training that ended before its first step. Train again, into another folder."
    assert refusal(run) == sentence
    with pytest.raises(WrongInput) as refused:
        resume(run)
    assert str(refused.value) == sentence


def test_a_folder_of_runs_names_the_newest(tmp_path: Path) -> None:
    runs = made(tmp_path / "runs", "a/model.json", "b/model.json", "kf/fold-0/model.json", "c/resolved.yaml")
    for name, age_s in (("a", 300), ("b", 100), ("kf/fold-0", 200)):
        os.utime(runs / name / "model.json", (1e9 - age_s, 1e9 - age_s))
    sentence = f"3 finished runs below it. Give one; the newest is {runs}/b."
    assert refusal(runs) == f"{runs} holds no finished run itself, but {sentence}"


def test_a_folder_of_photos_is_no_run(tmp_path: Path) -> None:
    photos = made(tmp_path / "photos", "jade/1.jpg")
    assert refusal(photos).startswith(
        f"{photos} holds no finished run: there is no model.json in it. Give a folder that"
    )


def test_resume_names_a_training_that_can_go_on_and_no_folder_that_is_not_empty(tmp_path: Path) -> None:
    from training.fine_tune import resume

    runs = made(tmp_path / "runs", "a/model.json", "a/resolved.yaml", "c/resolved.yaml")
    with pytest.raises(WrongInput, match=f"several runs. Resume one, as podium train --resume {runs}/c$"):
        resume(runs)
    with pytest.raises(
        WrongInput, match=r"holds no training that has begun\. Give the folder of one that was stopped\."
    ):
        resume(made(tmp_path / "photos", "jade/1.jpg"))


def test_a_folder_of_runs_is_no_file_of_weights_and_its_runs_are(tmp_path: Path) -> None:
    from training.model.weights_file import find_weights

    folds = made(tmp_path / "kf", "folds.yaml", "folds.json", "fold-0/model.json")
    with pytest.raises(
        WrongInput, match=f"without model.safetensors, but with 1 finished run below it. Give that, {folds}/fold-0"
    ):
        find_weights(str(folds))
