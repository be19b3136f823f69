"""Photos as small JPEGs inside a page, as the model sees them: resized, and the middle cut out."""

from __future__ import annotations

import base64
import hashlib
import io
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from inference.images.pixels import Pixels, model_input
from inference.images.reading import UnreadableImage
from training.report.scored import ScoredEvaluation, ScoredPhoto

SIDE_PX = 180  # as wide as the largest tile, and more than that of dense screens' smallest
QUALITY = 78
GONE = "The photo is gone."
CHANGED = "The file was changed."


@dataclass(frozen=True)
class TilePrediction:
    """One of the three steps of a podium."""

    label: str
    probability: float
    true: bool


@dataclass(frozen=True)
class Tile:
    """A photo with its label and predictions; `src` is None if the photo cannot be shown, and `missing` says why."""

    src: str | None
    missing: str
    path: str
    label: str
    loss: float
    predictions: tuple[TilePrediction, ...]  # best first

    @property
    def right(self) -> bool:
        """Whether the best prediction is the label."""
        return self.predictions[0].true


class Album:
    """Tiles of the photos of one evaluation, by their number."""

    def __init__(self, scored: ScoredEvaluation) -> None:
        self.scored = scored
        shape = scored.story.model.preprocessing
        scale = SIDE_PX / min(shape.input_size[1:])
        height, width = (round(side * scale) for side in shape.input_size[1:])
        self._transform = replace(shape.transform, height=height, width=width)
        self._encoded = lru_cache(maxsize=None)(self._encode)

    def tile(self, index: int) -> Tile:
        """The photo as the model sees it; for a photo that is gone or changed, a tile that says so."""
        found = self._encoded(index)
        scored, classes = self.scored, self.scored.story.model.classes
        odds, label = scored.probabilities[index], int(scored.labels[index])
        best = np.argsort(-odds, kind="stable")[:3]
        return Tile(
            src=found if found.startswith("data:") else None,
            missing="" if found.startswith("data:") else found,
            path=scored.photos[index].path,
            label=classes[label],
            loss=float(scored.losses[index]),
            predictions=tuple(
                TilePrediction(classes[place], float(odds[place]), bool(place == label)) for place in best
            ),
        )

    def _encode(self, index: int) -> str:
        try:
            return jpeg(model_input(read(self.scored.photos[index]), self._transform))
        except (FileNotFoundError, UnreadableImage) as error:
            return str(error)


def read(photo: ScoredPhoto) -> bytes:
    """The bytes that were evaluated; FileNotFoundError, in words for a tile, if the file is gone or changed."""
    try:
        data = Path(photo.file).read_bytes()
    except OSError as error:
        raise FileNotFoundError(GONE) from error
    if hashlib.sha256(data).hexdigest() != photo.sha256:
        raise FileNotFoundError(CHANGED)
    return data


def jpeg(pixels: Pixels) -> str:
    """A picture (H, W, 3) as the URI of a JPEG."""
    written = io.BytesIO()
    Image.fromarray(pixels).save(written, "JPEG", quality=QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(written.getvalue()).decode()
