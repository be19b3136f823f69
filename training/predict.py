"""What a finished run makes of photos: the same steps that evaluation takes and that the model server takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from training.network import load_run
from training.pixels import evaluation_pixels
from training.scoring import logits_of


@dataclass(frozen=True)
class Answer:
    """One class and its calibrated probability, 0 to 1."""

    label: str
    probability: float


def predict_paths(run_folder: Path, paths: Sequence[Path]) -> list[tuple[Answer, ...]]:
    """The three most likely classes of every photo, best first (fewer where the model knows fewer).

    Raises imagefile's UnreadableImage over the first file that is no picture.
    """
    if not paths:
        return []
    network, facts = load_run(run_folder)
    pixels = torch.stack([evaluation_pixels(path.read_bytes(), facts.preprocessing) for path in paths])
    logits = logits_of(network, pixels, facts.preprocessing, torch.device("cpu"))
    best = (logits / facts.temperature).softmax(dim=1).topk(min(3, len(facts.classes)), dim=1)
    return [
        tuple(Answer(facts.classes[index], value) for index, value in zip(indices, values, strict=True))
        for indices, values in zip(best.indices.tolist(), best.values.tolist(), strict=True)
    ]
