"""What every other server here runs behind its own few lines: Podium's reading, engine and answer."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from inference.classifier import Classifier
from inference.engines.torch_resize import torch_resize

MAX_BATCH = 8
WORKERS = int(os.environ.get("SERVING_WORKERS", "2"))
TOP = 3

Pixels = npt.NDArray[np.uint8]
Probabilities = npt.NDArray[np.float32]


def load(folder: Path, engine: str) -> Classifier:
    """The model on one thread; raises RuntimeError where another engine than the wanted one took its place."""
    kind, _, precision = engine.rpartition("-")
    model = Classifier.load(
        folder, engine=cast(Any, kind), precision=cast(Any, precision), threads=1, resize=torch_resize
    )
    if model.engine != engine:
        raise RuntimeError(f"asked for {engine}, got {model.engine}: {model.facts.get('engine_fallback')}")
    return model


def load_warm() -> Classifier:
    """The model that this server was started for, warm for every size of batch."""
    model = load(Path(os.environ["SERVING_FOLDER"]), os.environ["SERVING_ENGINE"])
    pixels = model.read(Path(os.environ["SERVING_PHOTO"]).read_bytes())
    for size in range(1, MAX_BATCH + 1):
        model.classify(np.stack([pixels] * size))
    return model


def classify(model: Classifier, photos: Iterable[bytes]) -> list[dict[str, object]]:
    """An answer to each photo; raises UnreadableImage over the first that is none."""
    return [answer(model, row) for row in model.classify(np.stack([model.read(photo) for photo in photos]))]


def answer(model: Classifier, probabilities: Probabilities) -> dict[str, object]:
    """The three best classes of one image, best first, as Podium's servers answer."""
    classes: Sequence[str] = model.classes
    best = np.argsort(-probabilities)[:TOP]
    return {"predictions": [{"label": classes[n], "probability": float(probabilities[n])} for n in best]}
