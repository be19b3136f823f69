"""One evaluation of a run, with the scores of every photo.

RUN/evaluation/SPLIT/{evaluation.json, scores.safetensors, photos.csv, unreadable.csv} -> Judgement
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from training.errors import TrainingError
from training.evaluation.listed import SPLITS, evaluation_folder
from training.evaluation.records import Evaluation
from training.report.story import Row, Story, read_rows, read_story

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Source:
    """A judged photo: what the data calls it, where it lay, and what its bytes were."""

    path: str
    file: str
    sha256: str


@dataclass(frozen=True)
class Judgement:
    """One evaluation with the scores of every photo; arrays are in the order of `photos`."""

    story: Story
    evaluation: Evaluation
    photos: tuple[Source, ...]
    set_aside: tuple[Row, ...]  # path, code, reason
    labels: Ints  # (N,)
    logits: Floats  # (N, C)

    @cached_property
    def probabilities(self) -> Floats:
        """Calibrated, (N, C)."""
        return softmax(self.logits / self.story.model.temperature)

    @cached_property
    def losses(self) -> Floats:
        """Cross-entropy of the plain logits in nats, (N,): the mean of these is the headline's loss."""
        highest = self.logits.max(axis=1, keepdims=True)
        total = highest[:, 0] + np.log(np.exp(self.logits - highest).sum(axis=1))
        loss: Floats = total - self.logits[np.arange(len(self.labels)), self.labels]
        return loss

    @cached_property
    def predicted(self) -> Ints:
        """The class that was named, (N,)."""
        best: Ints = self.logits.argmax(axis=1)
        return best

    @cached_property
    def learnt(self) -> int:
        """How many of these photos are, byte for byte, photos that the model learnt from."""
        return sum(photo.sha256 in self.story.learnt for photo in self.photos)


def softmax(logits: Floats) -> Floats:
    """Probabilities of logits (N, C)."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: Floats = powers / powers.sum(axis=1, keepdims=True)
    return shares


def read_evaluation(folder: Path, split: str) -> Evaluation:
    """The record of one evaluation; TrainingError says how to make it where it is missing."""
    path = evaluation_folder(folder, split) / "evaluation.json"
    try:
        return Evaluation.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        chosen = f"--split {split}" if split in SPLITS else f"--data {shlex.quote(split)}"
        raise TrainingError(f"{path} is missing. Run `podium evaluate {folder} {chosen}` first.") from error
    except ValidationError as error:
        raise TrainingError(f"{path} is no evaluation ({error.errors()[0]['msg']}). Evaluate again.") from error


def read_judgement(folder: Path, split: str) -> Judgement:
    """One evaluation with its scores; TrainingError where a file is missing or two of them disagree."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    story, evaluation = read_story(folder), read_evaluation(folder, split)
    where = evaluation_folder(folder, split)
    photos = read_rows(where / "photos.csv")
    try:
        scores = load_file(where / "scores.safetensors")
    except (OSError, SafetensorError) as error:
        raise TrainingError(f"{where} holds no scores ({error}). Evaluate again.") from error
    if not len(photos) == len(scores["logits"]) == len(scores["labels"]) == evaluation.images:
        raise TrainingError(
            f"{where} holds the scores of {len(scores['logits'])} photos, photos.csv names {len(photos)} and"
            f" evaluation.json counts {evaluation.images}. Evaluate again."
        )
    return Judgement(
        story=story,
        evaluation=evaluation,
        photos=tuple(Source(row["path"], row["file"], row["sha256"]) for row in photos),
        set_aside=read_rows(where / "unreadable.csv"),
        labels=scores["labels"].astype(np.int64),
        logits=scores["logits"].astype(np.float64),
    )
