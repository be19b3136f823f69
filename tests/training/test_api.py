"""The room's front door: train, evaluate, predict, from Python."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import training


def test_importing_the_room_imports_nothing_heavy() -> None:
    script = (
        "import sys, training; print([m for m in ('torch', 'timm', 'numpy', 'PIL', 'pydantic') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.torch
def test_a_model_is_trained_evaluated_and_predicts(photos: Path, tmp_path: Path) -> None:
    run = training.train(
        photos, recipe="quick", pretrained="none", model="test_resnet", image_size=32, epochs=2, batch_size=4, threads=1,
        tensorboard=False, run=tmp_path / "run", cache_dir=tmp_path / "cache",
    )  # fmt: skip
    assert training.evaluate(run.folder).top1.value == pytest.approx(run.model.metrics.top1)
    photo = photos / "jade" / "000.png"
    for _ in range(2):  # importing what it needs does not put something else in its place
        [answer] = training.predict(run.folder, [photo], top_k=2)
        assert answer.path == str(photo)
        assert len(answer.predictions) == 2


@pytest.mark.torch
def test_a_training_reports_its_progress_and_goes_on_after_it_was_stopped(photos: Path, tmp_path: Path) -> None:
    from training.errors import Preempted
    from training.run import TrainingProgress

    def stop_after_the_first_epoch(now: TrainingProgress) -> None:
        if (now.stage, now.epoch) == ("scored", 1):
            os.kill(os.getpid(), signal.SIGTERM)

    notes: list[str] = []
    with pytest.raises(Preempted):
        training.train(
            photos, recipe="quick", pretrained="none", model="test_resnet", image_size=32, epochs=2, batch_size=4, threads=1,
            tensorboard=False, run=tmp_path / "run", cache_dir=tmp_path / "cache",
            on_progress=stop_after_the_first_epoch, on_note=notes.append,
        )  # fmt: skip
    assert any(note.startswith("cache = ") for note in notes)
    run = training.resume(tmp_path / "run", on_note=notes.append)
    assert len(run.epochs) == 2
    assert notes[-1] == "going on in epoch 2"
