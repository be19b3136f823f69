"""Wrong predictions with Grad-CAM over their photos: the heat for the predicted class, and for the true class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from inference.heat_map import NotExplainable
from inference.images.pixels import Pixels
from training.evaluation.forward import torch_threads
from training.model.network import load_run
from training.photos.pixels import model_pixels, normalise
from training.report.choices import EXPLAINED, highest_loss
from training.report.heat import heat_of, over
from training.report.scored import ScoredEvaluation
from training.report.thumbnails import SIDE_PX, Album, Tile, jpeg, read


@dataclass(frozen=True)
class Explained:
    """A wrong prediction; the pictures are URIs."""

    tile: Tile
    for_answer: str
    for_label: str


def explained(scored: ScoredEvaluation, album: Album) -> tuple[list[Explained], str]:
    """The errors with the highest loss, and a sentence if there is none to show or Grad-CAM cannot be drawn."""
    wrong = highest_loss(scored, EXPLAINED, errors=True)
    there = [photo for photo in wrong if album.tile(photo).src]
    if not there:
        return [], "The photos are gone." if wrong else "There is no wrong prediction to explain."
    try:
        answers, labels = _pictures(scored, there)
    except NotExplainable as error:
        return [], f"Grad-CAM is left out: {error}"
    return [Explained(album.tile(photo), *two) for photo, *two in zip(there, answers, labels, strict=True)], ""


def _pictures(scored: ScoredEvaluation, photos: Sequence[int]) -> list[list[str]]:
    """Heat over every photo: for the predicted class, then for the label."""
    network, facts = load_run(scored.story.folder)
    pixels = [model_pixels(read(scored.photos[photo]), facts.preprocessing) for photo in photos]
    images = normalise(torch.from_numpy(np.stack(pixels).transpose(0, 3, 1, 2).copy()), facts.preprocessing)
    chosen = (scored.predicted[photos], scored.labels[photos])
    with torch_threads():
        heats = [heat_of(network, images, classes.tolist()) for classes in chosen]
    return [[_picture(*two) for two in zip(pixels, heat, strict=True)] for heat in heats]


def _picture(pixels: Pixels, heat: NDArray[np.float32]) -> str:
    return jpeg(over(pixels, heat, SIDE_PX))
