"""One evaluation of a run, with the scores of every photo.

RUN/evaluation/SPLIT/{evaluation.json, scores.safetensors, photos.csv, unreadable.csv} -> ScoredEvaluation
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp, softmax

from training.errors import TrainingError
from training.evaluation.listed import SPLITS, evaluation_folder
from training.evaluation.records import EVALUATION_FILE, Evaluation, read_evaluation_in
from training.evaluation.scores import PHOTOS_FILE, load
from training.photos.set_aside import SetAside
from training.report.story import Story, read_story

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class ScoredPhoto:
    """A photo of the evaluation: its path in the data, its whole path, and the sha256 of its bytes."""

    path: str
    file: str
    sha256: str


@dataclass(frozen=True)
class ScoredEvaluation:
    """One evaluation with the scores of every photo; arrays are in the order of `photos`."""

    story: Story
    evaluation: Evaluation
    photos: tuple[ScoredPhoto, ...]
    set_aside: tuple[SetAside, ...]
    labels: Ints  # (N,)
    logits: Floats  # (N, C)

    @cached_property
    def probabilities(self) -> Floats:
        """Calibrated, (N, C)."""
        odds: Floats = softmax(self.logits / self.story.model.temperature, axis=1)
        return odds

    @cached_property
    def losses(self) -> Floats:
        """Cross-entropy of the plain logits in nats, (N,): the mean of these is the headline's loss."""
        loss: Floats = logsumexp(self.logits, axis=1) - self.logits[np.arange(len(self.labels)), self.labels]
        return loss

    @cached_property
    def predicted(self) -> Ints:
        """The class that the model names, (N,)."""
        best: Ints = self.logits.argmax(axis=1)
        return best

    @cached_property
    def learnt(self) -> int:
        """How many of these photos are, byte for byte, among the photos that the model learnt from."""
        return sum(photo.sha256 in self.story.learnt for photo in self.photos)


def read_scored(folder: Path, split: str) -> ScoredEvaluation:
    """One evaluation with its scores; TrainingError if a file is missing or two of them disagree."""
    where = evaluation_folder(folder, split)
    story, evaluation = read_story(folder), read_evaluation_in(where)
    if evaluation is None:
        chosen = f"--split {split}" if split in SPLITS else f"--data {shlex.quote(split)}"
        raise TrainingError(
            f"{where} holds no {EVALUATION_FILE}. Run `podium evaluate {shlex.quote(str(folder))} {chosen}` first."
        )
    scores = load(where)
    if not len(scores.paths) == len(scores.logits) == len(scores.labels) == evaluation.images:
        raise TrainingError(
            f"{where} holds the scores of {len(scores.logits)} photos, {PHOTOS_FILE} names {len(scores.paths)} and"
            f" {EVALUATION_FILE} counts {evaluation.images}. Evaluate again."
        )
    return ScoredEvaluation(
        story=story,
        evaluation=evaluation,
        photos=tuple(map(ScoredPhoto, scores.paths, scores.files, scores.digests)),
        set_aside=scores.set_aside,
        labels=scores.labels.numpy(),
        logits=scores.logits.double().numpy(),
    )
