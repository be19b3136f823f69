"""A run folder: the files of a training, in the order in which it writes them.

config.yaml, split.csv, unreadable.csv, pretrained.json, resolved.yaml -> metrics.jsonl, results.csv, checkpoints/ and model.safetensors, epoch by
epoch -> metrics.json, model.json
"""

from __future__ import annotations

import csv
import fcntl
import io
import json
import platform
import shlex
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from torch import Tensor

from training.data.listing import write_split
from training.errors import TrainingError, WrongInput, refusal_at
from training.files import replacing, write_atomically, write_record
from training.model.model_file import MODEL_FILE, WEIGHTS_FILE, ModelFile, read_model_file
from training.model.provenance import Pretrained, write_pretrained
from training.model.unfinished import LOCK_FILE, SETTLED_FILE, resumable
from training.photos.photos import Photos
from training.photos.set_aside import write_set_aside
from training.settings.config import TrainConfig, write_config
from training.settings.settled import Settled
from training.tensors_file import save_tensors


@dataclass(frozen=True)
class TrainingProgress:
    """The progress of a training. `scored` ends an epoch; top1 and top3 are the last validation's."""

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
    train_loss: float  # of the augmented training photos
    train_top1: float
    loss: float  # of the validation photos, as top1, top3 and macro_f1
    top1: float
    top3: float
    macro_f1: float
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


def check_free(folder: Path) -> None:
    """WrongInput if the run folder cannot be made, or is not empty; what was made to find that out is removed again."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    try:
        claim_folder(folder)
    finally:
        for each in missing:
            with suppress(OSError):  # it could not be made
                each.rmdir()


def claim_folder(folder: Path) -> None:
    """Make the run folder; WrongInput if it is not empty, or nothing can be written into it."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise WrongInput(f"{folder} is not empty. Choose another run folder, or remove it.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise WrongInput(
            f"The run folder {folder} cannot be made ({error.strerror}). Name another place, as run=/tmp/run."
        ) from error


@contextmanager
def kept(folder: Path) -> Iterator[None]:
    """Write into a run folder: TrainingError if the disk is full, or refuses."""
    try:
        yield
    except OSError as error:
        what, action = refusal_at(folder, error)
        raise TrainingError(
            f"{folder} cannot be written to ({what}). {action} Then go on: podium train --resume {shlex.quote(str(resumable(folder)))}"
        ) from error


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep other processes from training into this folder; TrainingError if one does. A process that dies lets go."""
    with (folder / LOCK_FILE).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise TrainingError(
                f"Another process is training into {folder}. Wait for it, or stop it, and resume then."
            ) from error
        yield


def write_beginning(
    config: TrainConfig, settings: Settled, photos: Photos, pretrained: Pretrained | None = None
) -> None:
    """Everything that is settled before the first epoch; resolved.yaml last, for with it a training can be resumed."""
    folder = config.run
    write_config(config, folder / "config.yaml")
    write_split(photos.listing, folder / "split.csv")
    write_set_aside(photos.set_aside, folder)
    if pretrained is not None:
        write_pretrained(folder, pretrained)
    write_config(settings, folder / SETTLED_FILE, settings.reasons)


def write_epochs(folder: Path, epochs: Sequence[Epoch]) -> None:
    """metrics.jsonl and results.csv: a line for every epoch so far."""
    lines = [asdict(epoch) for epoch in epochs]
    table = io.StringIO()
    writer = csv.DictWriter(table, [one.name for one in fields(Epoch)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    with kept(folder):
        write_atomically("".join(json.dumps(line) + "\n" for line in lines), folder / "metrics.jsonl")
        write_atomically(table.getvalue(), folder / "results.csv")


def write_weights(folder: Path, weights: Mapping[str, Tensor]) -> None:
    """Replace model.safetensors, whole or not at all. Layers that share their weights, as CoaT's, each get their copy."""
    with kept(folder), replacing(folder / WEIGHTS_FILE) as draft:
        save_tensors({name: value.detach().cpu().contiguous().clone() for name, value in weights.items()}, draft)


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
    with kept(run.folder):
        write_atomically(json.dumps(facts, indent=1) + "\n", run.folder / "metrics.json")
        write_record(run.model, run.folder / MODEL_FILE)


def read_run(folder: Path) -> Run:
    """The finished training in a run folder; TrainingError if it holds none."""
    model = read_model_file(folder)
    facts = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return Run(folder, model, tuple(Epoch(**json.loads(line)) for line in lines), facts["set_aside"], facts["seconds"])


def versions() -> dict[str, str]:
    """The versions of Python and of the libraries that made the model."""
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
