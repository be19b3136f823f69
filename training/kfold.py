"""k-fold cross-validation: one training a fold, each judged by photos that it did not learn from."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import mean, stdev

from training.errors import WrongInput
from training.files import write_atomically
from training.fitting.checking import check_alone
from training.model.model_file import MODEL_FILE
from training.run import FOLDS_FILE, Progress, Run, claim_folder, kept, read_run
from training.settings.config import TrainConfig, read_config, write_config
from training.train import resume, train

OnProgress = Callable[[int, int, Progress], None]  # the fold, from 0 on, of how many, and how far it is
OnNote = Callable[[str], None]

# Student's t at 97.5 % for 1, 2, ... degrees of freedom; beyond these it is near 2.
STUDENT_T = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)


@dataclass(frozen=True)
class Spread:
    """A figure over the folds: mean, standard deviation, and the 95 % confidence interval of the mean (Student's t)."""

    mean: float
    deviation: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of two values or more."""
        deviation, count = stdev(values), len(values)
        t = STUDENT_T[count - 2] if count - 2 < len(STUDENT_T) else 2.0
        half = t * deviation / count**0.5
        return cls(mean(values), deviation, mean(values) - half, mean(values) + half)


@dataclass(frozen=True)
class Folds:
    """All folds of one training."""

    folder: Path
    runs: tuple[Run, ...]
    top1: Spread
    top3: Spread
    loss: Spread


def train_folds(
    config: TrainConfig, *, on_progress: OnProgress = lambda _fold, _folds, _now: None, on_note: OnNote = lambda _: None
) -> Folds:
    """Train every fold into RUN/fold-K, and write RUN/folds.json; the folds' test photos, if any, are the same.

    RUN/folds.yaml holds the settings from the beginning on: with it `resume_folds` goes on.

    The intervals take the folds for independent, which they are not quite: their training photos overlap, so the true ones
    are somewhat wider (Bengio & Grandvalet 2004). Raises what `train` raises.
    """
    if config.folds is None:
        raise WrongInput("folds is not set: say how many, as folds=5.")
    check_alone(config)
    claim_folder(config.run)
    with kept(config.run):
        write_config(config, config.run / FOLDS_FILE)
    return _train_all(config, config.folds, on_progress, on_note)


def are_folds(folder: Path) -> bool:
    """Whether the folder holds all folds of a training, finished or not, and not one run."""
    return (folder / FOLDS_FILE).is_file()


def resume_folds(
    folder: Path, *, on_progress: OnProgress = lambda _fold, _folds, _now: None, on_note: OnNote = lambda _: None
) -> Folds:
    """Go on with an interrupted `train_folds`: finished folds stay, the one that had begun goes on, the rest is trained.

    Raises WrongInput where all are finished, and what `resume` and `train` raise.
    """
    if (folder / "folds.json").exists():
        raise WrongInput(f"{folder} holds finished folds: there is nothing to resume. Train into another folder.")
    config = read_config(folder / FOLDS_FILE).model_copy(update={"run": folder})
    assert config.folds is not None
    return _train_all(config, config.folds, on_progress, on_note)


def _train_all(config: TrainConfig, count: int, on_progress: OnProgress, on_note: OnNote) -> Folds:
    runs = []
    for fold in range(count):
        on_note(f"fold {fold + 1} of {count}")
        own = config.model_copy(update={"fold": fold, "run": config.run / f"fold-{fold}"})
        runs.append(_train_one(own, partial(on_progress, fold, count), on_note))
    scores = [run.model.metrics for run in runs]
    folds = Folds(
        config.run,
        tuple(runs),
        top1=Spread.of([one.top1 for one in scores]),
        top3=Spread.of([one.top3 for one in scores]),
        loss=Spread.of([one.loss for one in scores]),
    )
    facts = {
        "folds": [f"fold-{fold}/{MODEL_FILE}" for fold in range(count)],
        "top1": asdict(folds.top1),
        "top3": asdict(folds.top3),
        "loss": asdict(folds.loss),
    }
    with kept(config.run):
        write_atomically(json.dumps(facts, indent=1) + "\n", config.run / "folds.json")
    return folds


def _train_one(config: TrainConfig, on_progress: Callable[[Progress], None], on_note: OnNote) -> Run:
    """This fold's run, wherever it stands."""
    if (config.run / MODEL_FILE).exists():
        return read_run(config.run)
    if (config.run / "resolved.yaml").is_file():
        return resume(config.run, on_progress=on_progress, on_note=on_note)
    shutil.rmtree(config.run, ignore_errors=True)  # it ended before anything was trained
    return train(config, on_progress=on_progress, on_note=on_note)
