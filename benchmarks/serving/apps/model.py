"""The model that each of the other servers runs behind its own few lines: Podium's decoding, engine and response."""

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
    """The model on one thread; raises RuntimeError if the engine fell back to another one."""
    kind, _, precision = engine.rpartition("-")
    model = Classifier.load(
        folder, engine=cast(Any, kind), precision=cast(Any, precision), threads=1, resize=torch_resize
    )
    if model.engine != engine:
        raise RuntimeError(f"the engine is {model.engine}, not {engine}: {model.facts.get('engine_fallback')}")
    return model


def load_warm() -> Classifier:
    """The model that this server was started for, warm for every size of batch."""
    model = load(Path(os.environ["SERVING_FOLDER"]), os.environ["SERVING_ENGINE"])
    pixels = model.read(Path(os.environ["SERVING_PHOTO"]).read_bytes())
    for size in range(1, MAX_BATCH + 1):
        model.classify(np.stack([pixels] * size))
    return model


def classify(model: Classifier, photos: Iterable[bytes]) -> list[dict[str, object]]:
    """The predictions for each photo; raises UnreadableImage for the first that cannot be read."""
    return [answer(model, row) for row in model.classify(np.stack([model.read(photo) for photo in photos]))]


def answer(model: Classifier, probabilities: Probabilities) -> dict[str, object]:
    """The three best classes of one image, best first, in the form of Podium's response."""
    classes: Sequence[str] = model.classes
    best = np.argsort(-probabilities)[:TOP]
    return {"predictions": [{"label": classes[n], "probability": float(probabilities[n])} for n in best]}
