"""The demo's model and photos, in the project's home."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import TYPE_CHECKING

from podium.archives import ArchivedModel
from podium.project import HOME, MODELS

if TYPE_CHECKING:
    from training.run import TrainingProgress

BATCH = "demo"
MODEL = ArchivedModel(name="balls", version="1.0", classes=())
UNSEEN_PER_CLASS = 4  # of 15 classes: 60 images
TIMEOUT_S = 300.0  # of the batch
FOLDER = HOME / "demo"
DATA = FOLDER / "balls"
RUN = FOLDER / "run"
UNSEEN = FOLDER / "unseen"
ARCHIVE = MODELS / f"{MODEL.name}.mar"


def is_trained() -> bool:
    """Whether an earlier demo has finished its training."""
    return (RUN / "model.json").exists()  # the last file of a finished run


def train(on_progress: Callable[[TrainingProgress], None]) -> None:
    """Train the demo's small model on the drawn pictures, from scratch."""
    from training.demo import DEMO
    from training.fine_tune import train

    shutil.rmtree(RUN, ignore_errors=True)
    ARCHIVE.unlink(missing_ok=True)
    train(DEMO.model_copy(update={"data": str(DATA), "run": RUN}), on_progress=on_progress)
