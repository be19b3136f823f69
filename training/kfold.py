"""k-fold cross-validation: one training for each fold, validated on the photos of that fold."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import mean, stdev

from scipy.stats import t

from training.errors import WrongInput
from training.files import write_atomically
from training.fine_tune import resume, train
from training.model.model_file import MODEL_FILE
from training.preparing.checking import check_alone
from training.preparing.prepare import OnNote
from training.run import FOLDS_FILE, Run, TrainingProgress, claim_folder, kept, read_run
from training.settings.config import TrainConfig, make_config, read_yaml, write_config

OnProgress = Callable[[int, int, TrainingProgress], None]  # the fold, from 0 on, of how many, and how far it is


@dataclass(frozen=True)
class Spread:
    """A figure over the folds: mean, standard deviation, and the 95 % confidence interval of the mean (Student's t)."""

    mean: float
    deviation: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """The spread of two values or more."""
        center, deviation, count = mean(values), stdev(values), len(values)
        half = float(t.ppf(0.975, df=count - 1)) * deviation / count**0.5
        return cls(center, deviation, center - half, center + half)


@dataclass(frozen=True)
class Folds:
    """All folds of one training."""

    folder: Path
    runs: tuple[Run, ...]
    top1: Spread
    top3: Spread
    loss: Spread

    def spreads(self) -> dict[str, dict[str, float]]:
        """The spread of every figure, for JSON."""
        return {name: asdict(getattr(self, name)) for name in ("top1", "top3", "loss")}


def train_folds(
    config: TrainConfig, *, on_progress: OnProgress = lambda _fold, _folds, _now: None, on_note: OnNote = lambda _: None
) -> Folds:
    """Train every fold into RUN/fold-K, and write RUN/folds.json; the folds' test photos, if any, are the same.

    RUN/folds.yaml holds the settings from the beginning on; `resume_folds` reads them.

    The intervals assume independent folds. Their training photos overlap, so the true intervals are somewhat wider
    (Bengio & Grandvalet 2004). Raises what `train` raises.
    """
    count = _count(config)
    check_alone(config)
    claim_folder(config.run)
    with kept(config.run):
        write_config(config, config.run / FOLDS_FILE)
    return _train_all(config, count, on_progress, on_note)


def are_folds(folder: Path) -> bool:
    """Whether the folder holds all folds of a training, finished or not, and not one run."""
    return (folder / FOLDS_FILE).is_file()


def resume_folds(
    folder: Path, *, on_progress: OnProgress = lambda _fold, _folds, _now: None, on_note: OnNote = lambda _: None
) -> Folds:
    """Go on with an interrupted `train_folds`: finished folds stay, the one that had begun goes on, the rest is trained.

    Raises WrongInput if all are finished, and what `resume` and `train` raise.
    """
    if (folder / "folds.json").exists():
        raise WrongInput(f"{folder} holds finished folds: there is nothing to resume. Train into another folder.")
    config = make_config({**read_yaml(folder / FOLDS_FILE), "run": folder})
    return _train_all(config, _count(config), on_progress, on_note)


def _count(config: TrainConfig) -> int:
    if config.folds is None:
        raise WrongInput("folds is not set: say how many, as folds=5.")
    return config.folds


def _train_all(config: TrainConfig, count: int, on_progress: OnProgress, on_note: OnNote) -> Folds:
    runs = []
    for fold in range(count):
        on_note(f"fold {fold + 1} of {count}")
        own = config.model_copy(update={"fold": fold, "run": config.run / f"fold-{fold}"})
        runs.append(_train_one(own, partial(on_progress, fold, count), on_note))
    spreads = [Spread.of([getattr(run.model.metrics, name) for run in runs]) for name in ("top1", "top3", "loss")]
    folds = Folds(config.run, tuple(runs), *spreads)
    facts = {"folds": [f"fold-{fold}/{MODEL_FILE}" for fold in range(count)], **folds.spreads()}
    with kept(config.run):
        write_atomically(json.dumps(facts, indent=1) + "\n", config.run / "folds.json")
    return folds


def _train_one(config: TrainConfig, on_progress: Callable[[TrainingProgress], None], on_note: OnNote) -> Run:
    """This fold's run, wherever it stands."""
    if (config.run / MODEL_FILE).exists():
        return read_run(config.run)
    if (config.run / "resolved.yaml").is_file():
        return resume(config.run, on_progress=on_progress, on_note=on_note)
    shutil.rmtree(config.run, ignore_errors=True)  # it ended before anything was trained
    return train(config, on_progress=on_progress, on_note=on_note)
