"""A run folder: what a training leaves behind, and in which order.

config.yaml, split.csv, unreadable.csv -> metrics.jsonl and model.safetensors, epoch by epoch -> metrics.json, model.json
"""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from safetensors.torch import save_file
from torch import Tensor

from training.config import TrainConfig, write_config
from training.errors import WrongInput
from training.listing import write_split
from training.model_file import MODEL_FILE, WEIGHTS_FILE, ModelFile, write_atomically
from training.pixels import Photos, write_set_aside


@dataclass(frozen=True)
class Progress:
    """Where a training stands. `scored` ends an epoch; top1 and top3 are the last validation's."""

    stage: Literal["reading", "training", "scored"]
    step: int
    steps: int
    epoch: int = 0  # from 1
    epochs: int = 0
    images_per_s: float = 0.0
    loss: float | None = None  # of the training batches, mean over the epoch so far
    top1: float | None = None
    top3: float | None = None


@dataclass(frozen=True)
class Epoch:
    """One line of metrics.jsonl."""

    epoch: int
    train_loss: float
    loss: float
    top1: float
    top3: float
    lr: float
    seconds: float
    images_per_s: float
    best: bool


@dataclass(frozen=True)
class Run:
    """A finished training."""

    folder: Path
    model: ModelFile
    epochs: tuple[Epoch, ...]
    set_aside: int  # files that could not be read
    seconds: float


def claim_folder(folder: Path) -> None:
    """Make the run folder; WrongInput where something lies in it already."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise WrongInput(f"{folder} is not empty. Choose another run folder, or remove it.")
    folder.mkdir(parents=True, exist_ok=True)


def write_beginning(folder: Path, config: TrainConfig, photos: Photos) -> None:
    """What is settled before the first epoch."""
    write_config(config, folder / "config.yaml")
    write_split(photos.listing, folder / "split.csv")
    if photos.set_aside:
        write_set_aside(photos.set_aside, folder / "unreadable.csv")


def append_epoch(folder: Path, epoch: Epoch) -> None:
    """One more line of metrics.jsonl."""
    with (folder / "metrics.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(epoch)) + "\n")


def write_weights(folder: Path, weights: Mapping[str, Tensor]) -> None:
    """Replace model.safetensors, whole or not at all."""
    unfinished = folder / f".{WEIGHTS_FILE}.part"
    save_file({name: value.detach().cpu().contiguous() for name, value in weights.items()}, unfinished)
    unfinished.replace(folder / WEIGHTS_FILE)


def write_end(run: Run) -> None:
    """metrics.json, and model.json last: a folder with a model.json is a finished run."""
    best = max(epoch.epoch for epoch in run.epochs if epoch.best)
    facts = {
        **run.model.metrics.model_dump(),
        "validation_images": run.model.data.validation_images,
        "best_epoch": best,
        "temperature": run.model.temperature,
        "uncertainty": run.model.uncertainty.model_dump(),
        "set_aside": run.set_aside,
        "seconds": round(run.seconds, 1),
    }
    write_atomically(json.dumps(facts, indent=1) + "\n", run.folder / "metrics.json")
    write_atomically(run.model.model_dump_json(indent=1) + "\n", run.folder / MODEL_FILE)


def versions() -> dict[str, str]:
    """What the model was made with."""
    return {"python": platform.python_version()} | {
        name: version(name) for name in ("torch", "torchvision", "timm", "pillow")
    }


def git_commit() -> str | None:
    """The commit that this code lies in; None outside of git."""
    try:
        answer = subprocess.run(
            ["git", "rev-parse", "--verify", "HEAD"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None


def utc_now() -> str:
    """Now, as ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")
