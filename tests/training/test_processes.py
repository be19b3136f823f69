"""Several processes of torchrun train one model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.training.conftest import write_photos

pytestmark = pytest.mark.torch

TINY = ["model=resnet10t", "model_args={channels: [8, 16, 24, 32], stem_width: 8}", "image_size=32", "crop_pct=1.0", "threads=1",
        "tensorboard=false", "epochs=2", "ema_decay=0.9"]  # fmt: skip


def command(*words: str) -> list[str]:
    return [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        "-m",
        "training",
        *words,
    ]


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}


def torchrun(*words: str) -> str:
    """The stderr of two processes; they must end well."""
    answer = subprocess.run(
        command(*words), capture_output=True, text=True, check=False, timeout=300, env=environment()
    )
    assert answer.returncode == 0, answer.stderr
    return answer.stderr


def test_two_processes_train_and_judge_one_model(tmp_path: Path) -> None:
    """Every validation photo is judged once: 301 of them are no multiple of anything."""
    import torch

    from training.data.listing import read_split
    from training.evaluation.metrics import logits_of, metrics_of
    from training.model.network import load_run
    from training.photos.photos import read_photos
    from training.settings.settled import read_settled

    data = write_photos(tmp_path / "data", per_class=100, size_px=32)
    words = [*TINY, f"cache_dir={tmp_path / 'cache'}"]
    stderr = torchrun("train", str(data), *words, "batch_size=4", "validation_share=0.5", f"run={tmp_path / 'run'}")
    assert "epoch 2/2" in stderr
    network, facts = load_run(tmp_path / "run")
    settings = read_settled(tmp_path / "run" / "resolved.yaml", tmp_path / "run")
    photos = read_photos(
        read_split(tmp_path / "run" / "split.csv", settings.data), settings, facts.preprocessing, lambda: None
    )
    torch.set_num_threads(1)  # as in the training: sums over more threads differ in their last digits
    alone = metrics_of(
        logits_of(network, photos.validation, facts.preprocessing, torch.device("cpu")), photos.validation_labels
    )
    assert facts.metrics == alone
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert max(line["top1"] for line in lines) == alone.top1
    assert len(photos.validation_labels) > 128  # more than one batch, so that both processes judged


def test_two_processes_that_were_stopped_in_mid_training_go_on_to_the_very_weights(tmp_path: Path) -> None:
    """As a Spot instance stops them: SIGTERM to torchrun, which hands it on."""
    from training.fitting.checkpoint import read_checkpoint

    data = write_photos(tmp_path / "data", per_class=60, size_px=32)
    words = ["train", str(data), *TINY, "epochs=12", "batch_size=4", f"cache_dir={tmp_path / 'cache'}"]
    torchrun(*words, f"run={tmp_path / 'whole'}")
    stopped = tmp_path / "stopped"
    process = subprocess.Popen(command(*words, f"run={stopped}"), stderr=subprocess.PIPE, text=True, env=environment())
    deadline = time.monotonic() + 120
    try:
        while process.poll() is None and time.monotonic() < deadline and not (stopped / "metrics.jsonl").exists():
            time.sleep(0.01)
        process.terminate()
        _, stderr = process.communicate(timeout=60)
    finally:
        process.kill()
    assert not (stopped / "model.json").exists(), stderr
    found = read_checkpoint(stopped)
    assert found is not None
    assert found[1]["processes"] == 2
    assert found[1]["state"]["step"] > 0, "it was stopped between two epochs"
    torchrun("train", "--resume", str(stopped))
    assert (stopped / "model.safetensors").read_bytes() == (tmp_path / "whole" / "model.safetensors").read_bytes()
