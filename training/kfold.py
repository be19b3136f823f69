"""k-fold cross-validation: one training a fold, each judged by photos that it did not learn from."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, stdev

from training.config import TrainConfig
from training.errors import WrongInput
from training.loop import train
from training.model_file import MODEL_FILE, write_atomically
from training.run import Progress, Run, claim_folder

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
    config: TrainConfig,
    *,
    on_progress: Callable[[int, Progress], None] = lambda _fold, _now: None,
    on_note: Callable[[str], None] = lambda _: None,
) -> Folds:
    """Train every fold into RUN/fold-K, and write RUN/folds.json; the folds' test photos, if any, are the same.

    The intervals take the folds for independent, which they are not quite: their training photos overlap, so the true ones
    are somewhat wider (Bengio & Grandvalet 2004). Raises what `train` raises.
    """
    if config.folds is None:
        raise WrongInput("folds is not set: say how many, as folds=5.")
    claim_folder(config.run)
    runs = []
    for fold in range(config.folds):
        on_note(f"fold {fold + 1} of {config.folds}")
        own = config.model_copy(update={"fold": fold, "run": config.run / f"fold-{fold}"})
        runs.append(train(own, on_progress=lambda now, fold=fold: on_progress(fold, now), on_note=on_note))  # type: ignore[misc]
    scores = [run.model.metrics for run in runs]
    folds = Folds(
        config.run,
        tuple(runs),
        top1=Spread.of([one.top1 for one in scores]),
        top3=Spread.of([one.top3 for one in scores]),
        loss=Spread.of([one.loss for one in scores]),
    )
    facts = {
        "folds": [f"fold-{fold}/{MODEL_FILE}" for fold in range(config.folds)],
        "top1": asdict(folds.top1),
        "top3": asdict(folds.top3),
        "loss": asdict(folds.loss),
    }
    write_atomically(json.dumps(facts, indent=1) + "\n", config.run / "folds.json")
    return folds
