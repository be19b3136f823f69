"""A training that was stopped or killed goes on as if it had not been."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.training.conftest import COLOURS, timeless, tiny_config, write_photos
from training.errors import Preempted, TrainingError, WrongInput

if TYPE_CHECKING:
    from training.run import Run, TrainingProgress
    from training.settings.config import TrainConfig

pytestmark = pytest.mark.torch

# Everything that has a state or draws numbers: average, momentum, dropout, mixing, erasing, several updates an epoch.
LIVELY: dict[str, object] = {
    "epochs": 3, "ema_decay": 0.9, "dropout": 0.2, "mixup": 0.2, "cutmix": 0.5, "random_erasing": 0.5, "noise": 0.02,
    "rotation": 10, "brightness": 0.2, "rand_augment": "rand-m5-mstd0.5", "batch_size": 2, "accumulate": 2, "schedule": "plateau",
    "decay_epochs": 1, "augment_off_epochs": 1,
}  # fmt: skip


def interrupted(config: TrainConfig, epoch: int, step: int) -> str:
    """Train until that step, stop on request, and return the sentence with which it ends."""
    from training.fine_tune import train
    from training.fitting import steps

    seen = 0

    def on_progress(now: TrainingProgress) -> None:
        nonlocal seen
        if now.stage == "training" and (now.epoch, now.step) >= (epoch, step) and not seen:
            seen = 1
            os.kill(os.getpid(), signal.SIGTERM)

    before, steps.REPORT_EVERY = steps.REPORT_EVERY, 1
    try:
        with pytest.raises(Preempted) as ended:
            train(config, on_progress=on_progress)
    finally:
        steps.REPORT_EVERY = before
    return str(ended.value)


@pytest.fixture(scope="module")
def whole(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    from training.fine_tune import train

    return train(tiny_config(photos, tmp_path_factory.mktemp("whole") / "run", **LIVELY))


@pytest.mark.parametrize(("epoch", "step"), [(1, 2), (2, 5), (3, 7)])
def test_a_training_that_was_stopped_ends_in_the_very_weights(
    photos: Path, whole: Run, tmp_path: Path, epoch: int, step: int
) -> None:
    from training.fine_tune import resume

    config = tiny_config(photos, tmp_path / "run", **LIVELY)
    sentence = interrupted(config, epoch, step)
    assert f"in epoch {epoch}" in sentence
    assert f"podium train --resume {config.run}" in sentence
    assert not (config.run / "model.json").exists()
    again = resume(config.run)
    assert again.model.weights == whole.model.weights
    assert again.model.temperature == whole.model.temperature
    assert timeless(again) == timeless(whole)


def test_the_number_of_loader_workers_changes_nothing(photos: Path, whole: Run, tmp_path: Path) -> None:
    from training.fine_tune import train

    run = train(tiny_config(photos, tmp_path / "run", **LIVELY, workers=2, cache="files"))
    assert run.model.weights == whole.model.weights


def test_photos_on_the_device_are_resumed_as_exactly(photos: Path, tmp_path: Path) -> None:
    from training.fine_tune import resume, train

    settings = {**LIVELY, "rand_augment": None, "cache": "device"}
    run = train(tiny_config(photos, tmp_path / "whole", **settings))
    config = tiny_config(photos, tmp_path / "run", **settings)
    interrupted(config, 2, 3)
    assert resume(config.run).model.weights == run.model.weights


def test_a_process_killed_in_mid_epoch_goes_on_to_the_very_weights(tmp_path: Path) -> None:
    """kill -9: no handler runs, whatever the disk holds is what there is."""
    from training.fine_tune import resume, train

    data = write_photos(tmp_path / "data", per_class=40)
    settings = {**LIVELY, "batch_size": 3, "epochs": 6, "checkpoint_minutes": 1e-4}
    whole = train(tiny_config(data, tmp_path / "whole", **settings))
    config = tiny_config(data, tmp_path / "killed", **settings)
    words = [f"{name}={value}" for name, value in settings.items()]
    words += [
        "model=resnet10t",
        "model_args={channels: [8, 16, 24, 32], stem_width: 8}",
        "image_size=32",
        "crop_pct=1.0",
    ]
    words += ["lr=0.003", "threads=1", "tensorboard=false", f"run={config.run}", f"cache_dir={config.cache_dir}"]
    command = [sys.executable, "-m", "training", "train", str(data), *words]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    try:
        while process.poll() is None and time.monotonic() < deadline:
            if (config.run / "metrics.jsonl").exists():  # in the second epoch, then
                break
            time.sleep(0.01)
        time.sleep(0.05)
    finally:
        process.kill()
        _, stderr = process.communicate()
    assert process.returncode == -signal.SIGKILL, stderr
    assert not (config.run / "model.json").exists()
    assert resume(config.run).model.weights == whole.model.weights


@pytest.mark.parametrize("signal_", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
def test_a_signal_to_stop_ends_with_a_checkpoint_and_exit_code_75(tmp_path: Path, signal_: signal.Signals) -> None:
    data = write_photos(tmp_path / "data", per_class=40)
    command = [
        sys.executable,
        "-m",
        "training",
        "train",
        str(data),
        "model=test_resnet",
        "image_size=32",
        "threads=1",
        "epochs=500",
    ]
    process = subprocess.Popen(
        [*command, "tensorboard=false", f"run={tmp_path / 'run'}", f"cache_dir={tmp_path / 'cache'}"],
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    try:
        while (
            process.poll() is None and time.monotonic() < deadline and not (tmp_path / "run" / "metrics.jsonl").exists()
        ):
            time.sleep(0.02)
        process.send_signal(signal_)
        _, stderr = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 75, stderr
    assert "podium train --resume" in stderr
    assert (tmp_path / "run" / "checkpoints" / "last.safetensors").exists()


@pytest.mark.parametrize("in_the_way", ["model.safetensors", "metrics.jsonl", "results.csv"])
def test_what_fails_after_an_epoch_leaves_its_checkpoint_and_the_rest_ends_in_the_very_weights(
    photos: Path, whole: Run, tmp_path: Path, in_the_way: str
) -> None:
    """In the first epoch, too, which has no checkpoint before it."""
    from training.fine_tune import resume, train
    from training.fitting.checkpoint import read_checkpoint

    config = tiny_config(photos, tmp_path / "run", **LIVELY)

    def on_progress(now: TrainingProgress) -> None:
        if now.stage == "training" and now.step == now.steps:
            (config.run / in_the_way).mkdir(exist_ok=True)

    with pytest.raises(TrainingError, match=f"cannot be written to .*podium train --resume {config.run}"):
        train(config, on_progress=on_progress)
    found = read_checkpoint(config.run)
    assert found is not None
    state = found[1]["state"]
    assert (state["epoch"], state["step"], state["epochs"]) == (1, 7, []), "all steps are done, nothing is measured"
    (config.run / in_the_way).rmdir()
    notes: list[str] = []
    again = resume(config.run, on_note=notes.append)
    assert notes == ["going on in epoch 1"]
    assert again.model.weights == whole.model.weights
    assert timeless(again) == timeless(whole)


def test_layers_that_share_their_weights_are_trained_and_resumed(photos: Path, tmp_path: Path) -> None:
    """CoaT's blocks of a stage share their position encodings; safetensors refuses tensors that share memory."""
    from training.fine_tune import resume, train

    small = {"embed_dims": [16, 16, 16, 16], "serial_depths": [2, 1, 1, 1]}
    settings: dict[str, object] = {"model": "coat_lite_tiny", "model_args": small, "image_size": 32}
    run = train(tiny_config(photos, tmp_path / "whole", **settings))
    config = tiny_config(photos, tmp_path / "run", **settings)
    interrupted(config, 2, 1)
    assert resume(config.run).model.weights == run.model.weights


def test_a_finished_run_and_an_empty_folder_have_nothing_to_resume(finished: Run, tmp_path: Path) -> None:
    from training.fine_tune import resume

    with pytest.raises(WrongInput, match="holds a finished run"):
        resume(finished.folder)
    with pytest.raises(WrongInput, match="no training that has begun"):
        resume(tmp_path)


def test_two_processes_never_train_into_one_folder(photos: Path, tmp_path: Path) -> None:
    from training.fine_tune import resume
    from training.run import held

    config = tiny_config(photos, tmp_path / "run", **LIVELY)
    interrupted(config, 1, 2)
    with held(config.run), pytest.raises(TrainingError, match="Another process is training into"):
        resume(config.run)
    resume(config.run)


def test_photos_that_changed_in_between_are_named(tmp_path: Path) -> None:
    from training.fine_tune import resume

    data = write_photos(tmp_path / "data")
    config = tiny_config(data, tmp_path / "run", **LIVELY)
    interrupted(config, 1, 2)
    victim = data / min(COLOURS) / "000.png"
    victim.write_bytes(victim.read_bytes() + b"\0")
    with pytest.raises(TrainingError, match=r"000\.png"):
        resume(config.run)


def test_a_damaged_checkpoint_gives_way_to_the_one_before_and_to_the_very_weights(
    photos: Path, whole: Run, tmp_path: Path
) -> None:
    from training.fine_tune import resume

    config = tiny_config(photos, tmp_path / "run", **LIVELY)
    interrupted(config, 3, 2)
    last = config.run / "checkpoints" / "last.safetensors"
    last.write_bytes(last.read_bytes()[:-10])
    assert resume(config.run).model.weights == whole.model.weights


def test_a_resumed_run_counts_the_time_and_the_unreadable_files_of_before(tmp_path: Path) -> None:
    import json

    from training.fine_tune import resume
    from training.fitting.checkpoint import read_checkpoint

    data = write_photos(tmp_path / "data")
    (data / min(COLOURS) / "broken.jpg").write_bytes(b"")
    config = tiny_config(data, tmp_path / "run")
    interrupted(config, 2, 1)
    found = read_checkpoint(config.run)
    assert found is not None
    facts = found[1]
    assert facts["state"]["spent_s"] > 0
    run = resume(config.run)
    written = json.loads((config.run / "metrics.json").read_text())
    assert run.set_aside == written["set_aside"] == 1
    assert run.seconds > facts["state"]["spent_s"]


def test_the_curves_of_a_resumed_training_have_every_point_once(photos: Path, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    from training.fine_tune import resume

    config = tiny_config(photos, tmp_path / "run", tensorboard=True, epochs=3, batch_size=3)
    interrupted(config, 2, 3)
    resume(config.run)
    epochs, steps = (EventAccumulator(str(config.run / "tensorboard" / part)).Reload() for part in ("", "steps"))
    assert [point.step for point in epochs.Scalars("top1/validation")] == [1, 2, 3]
    per_epoch = 15 // 3
    reported = [point.step for point in steps.Scalars("loss/steps")]
    assert reported == [
        *range(1, per_epoch + 4),
        2 * per_epoch,
        3 * per_epoch,
    ]  # resumed, it reports the last of an epoch


@pytest.mark.parametrize(
    ("tensors", "facts"),
    [
        ({}, {}),
        ({"network.fc.weight": 3}, {"state": {"epoch": 1}, "processes": 1}),
        ({"tallies": 3}, {"state": 5, "processes": 1, "optimizer": {}, "scaler": {}}),
        ({}, {"state": {"epoch": 1}, "processes": "1"}),
    ],
    ids=["nothing", "another network", "another state", "other words"],
)
def test_a_strangers_checkpoint_ends_in_a_sentence(
    photos: Path, tmp_path: Path, tensors: dict[str, int], facts: dict[str, object]
) -> None:
    import torch

    from training.fine_tune import resume
    from training.fitting.checkpoint import write_checkpoint

    interrupted(tiny_config(photos, tmp_path / "run"), 1, 1)
    write_checkpoint(tmp_path / "run", {name: torch.zeros(size) for name, size in tensors.items()}, facts)
    with pytest.raises(TrainingError, match=r"is not of this training|ran with 1 processes"):
        resume(tmp_path / "run")


def test_a_pickle_in_place_of_a_checkpoint_is_not_opened(photos: Path, tmp_path: Path) -> None:
    import pickle

    from training.fine_tune import resume

    interrupted(tiny_config(photos, tmp_path / "run"), 1, 1)
    for path in (tmp_path / "run" / "checkpoints").iterdir():
        path.write_bytes(pickle.dumps(Path("opened").touch))
    with pytest.raises(TrainingError, match="are damaged"):
        resume(tmp_path / "run")
    assert not Path("opened").exists()
