"""Figures from logits and labels: pure functions from tensors to records.

logits (N, C), labels (N,) -> headlines with intervals, scores per class, confusion, calibration
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import bootstrap
from sklearn.metrics import (
    average_precision_score,
    confusion_matrix,
    precision_recall_fscore_support,
    roc_auc_score,
)
from torch import Tensor
from torch.nn.functional import cross_entropy

from training.evaluation.intervals import share
from training.evaluation.records import Bin, Calibration, ClassScores, Interval

RESAMPLES = 1_000
BINS = 15
CERTAIN = 1e-9  # a narrower interval would claim certainty
AT_ONCE = 4_000_000  # numbers in one piece of work: what bounds the memory

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def best_of(logits: Tensor, k: int) -> Tensor:
    """The k most likely classes of every photo, best first (fewer if the model knows fewer): (N, k) int64."""
    return logits.topk(min(k, logits.shape[1]), dim=1).indices


def accuracy(logits: Tensor, labels: Tensor, k: int) -> Interval:
    """Share of photos whose class is among the k most likely, with Wilson's interval.

    By torch: on 50,000 photos of 1,000 classes 0.03 s, scikit-learn's `top_k_accuracy_score` 2.5 s.
    """
    right = (best_of(logits, k) == labels[:, None]).any(dim=1)
    return share(int(right.sum()), len(labels))


def confusion_of(labels: Tensor, predicted: Tensor, class_count: int) -> Ints:
    """(C, C) int64; rows: the true class, columns: the predicted one."""
    counts: Ints = confusion_matrix(labels, predicted, labels=range(class_count))
    return counts


def macro_averages(photos: Ints, truth: Ints, answers: Ints, classes: int) -> Floats:
    """Precision, recall and F1 of R draws of photos (R, N), each averaged over the classes that a draw holds: (3, R).

    scikit-learn's macro averages with `zero_division=0`, of many draws at once: a thousand draws of 5,000 photos take
    0.1 s, and 2 s one by one; of 50,000 photos 0.7 s and 12 s.
    """
    draws = len(photos)
    shift = np.arange(draws)[:, None] * classes
    true, named = truth[photos] + shift, answers[photos] + shift
    counted = (np.bincount(which.ravel(), minlength=draws * classes) for which in (true[true == named], true, named))
    hits, images, predicted = (count.reshape(draws, classes) for count in counted)
    shares = (
        hits / np.maximum(predicted, 1),
        hits / np.maximum(images, 1),
        2 * hits / np.maximum(images + predicted, 1),
    )
    present = images > 0
    return np.stack([(part * present).sum(axis=1) / present.sum(axis=1) for part in shares])


@dataclass(frozen=True)
class Headlines:
    """The figures that an evaluation begins with."""

    loss: Interval
    macro_precision: Interval
    macro_recall: Interval
    macro_f1: Interval
    weighted_precision: float
    weighted_recall: float
    weighted_f1: float


def headlines(logits: Tensor, labels: Tensor, *, resamples: int = RESAMPLES, seed: int = 0) -> Headlines:
    """Loss and averages over classes, with 95 % bootstrap intervals (percentiles over photos drawn with replacement).

    Draws leave out photos of small classes, so their recall and F1 lie lower than the figure: they are shifted onto it.
    If all draws are the same, they show no chance: then the bounds are those of the accuracy (Wilson).
    """
    classes = logits.shape[1]
    truth, answers = labels.numpy(), best_of(logits, 1)[:, 0].numpy()
    losses = cross_entropy(logits.double(), labels, reduction="none").numpy()

    def figures_of(photos: Ints, axis: int = -1) -> Floats:
        """Loss, macro precision, recall and F1: (4, R)."""
        return np.vstack([losses[photos].mean(axis=axis), macro_averages(photos, truth, answers, classes)])

    everyone = np.arange(len(truth))
    values = figures_of(everyone[None])[:, 0]
    drawn = bootstrap(
        (np.resize(everyone, max(2, len(truth))),),  # scipy wants two: a single photo is drawn from two of itself
        figures_of, vectorized=True, n_resamples=resamples, batch=max(1, AT_ONCE // max(len(truth), classes)),
        method="percentile", rng=seed,
    ).bootstrap_distribution  # fmt: skip
    shifted = drawn + (values - drawn.mean(axis=1))[:, None]
    top1 = share(int((truth == answers).sum()), len(truth))
    low, high = np.quantile(drawn[0], (0.025, 0.975)).tolist()
    precision, recall, f1, _ = precision_recall_fscore_support(truth, answers, average="weighted", zero_division=0)
    return Headlines(
        loss=Interval(value=values[0].item(), low=low, high=high),
        macro_precision=_interval_of_share(values[1], drawn[1], top1),
        macro_recall=_interval_of_share(values[2], shifted[2], top1),
        macro_f1=_interval_of_share(values[3], shifted[3], top1),
        weighted_precision=float(precision),
        weighted_recall=float(recall),
        weighted_f1=float(f1),
    )


def _interval_of_share(value: float, drawn: Floats, top1: Interval) -> Interval:
    low, high = np.quantile(drawn, (0.025, 0.975)).clip(0, 1)
    if high - low < CERTAIN:
        low, high = min(value, top1.low), max(value, top1.high)
    return Interval(value=float(value), low=float(low), high=float(high))


def class_scores(logits: Tensor, labels: Tensor, classes: Sequence[str], temperature: float) -> tuple[ClassScores, ...]:
    """Every class against all others; its photos are ranked by its calibrated probability."""
    predicted = best_of(logits, 1)[:, 0]
    counts = precision_recall_fscore_support(labels, predicted, labels=range(len(classes)), zero_division=0)
    named = torch.bincount(predicted, minlength=len(classes)).tolist()
    scores = (logits.double() / temperature).log_softmax(dim=1).numpy()  # logarithms keep what softmax rounds to 1
    found = []
    for number, (name, *figures, images) in enumerate(
        zip(classes, *(column.tolist() for column in counts), strict=True)
    ):
        positive = (labels == number).numpy()
        ranked = 0 < images < len(labels)
        precision, recall, f1 = figures if images else (None, None, None)
        found.append(
            ClassScores(
                label=name, images=images, predicted=named[number], precision=precision, recall=recall, f1=f1,
                roc_auc=float(roc_auc_score(positive, scores[:, number])) if ranked else None,
                average_precision=float(average_precision_score(positive, scores[:, number])) if ranked else None,
            )
        )  # fmt: skip
    return tuple(found)


def calibration(logits: Tensor, labels: Tensor, temperature: float) -> Calibration:
    """Loss, expected calibration error, Brier score and reliability bins of softmax(logits / temperature).

    Guo et al. 2017: https://arxiv.org/abs/1706.04599. Not by scikit-learn: it knows no calibration error of several
    classes, and clips what the loss is of.
    """
    parts = [_per_photo(*part, temperature) for part in _pieces(logits, labels)]
    best, right, squares, losses = (torch.cat(column) for column in zip(*parts, strict=True))
    edges = torch.linspace(0, 1, BINS + 1, dtype=torch.float64)
    places = torch.bucketize(best, edges[1:-1])  # (low, high]
    images = torch.bincount(places, minlength=BINS)
    confidence = torch.bincount(places, weights=best, minlength=BINS) / images
    accuracies = torch.bincount(places, weights=right, minlength=BINS) / images
    gaps = (confidence - accuracies).abs().nan_to_num() * images
    columns = (edges[:-1], edges[1:], images, confidence, accuracies)
    return Calibration(
        temperature=temperature,
        loss=losses.mean().item(),
        ece=gaps.sum().item() / len(labels),
        brier=squares.mean().item(),
        bins=tuple(
            Bin(low=low, high=high, images=count, confidence=mean if count else None, accuracy=hits if count else None)
            for low, high, count, mean, hits in zip(*(column.tolist() for column in columns), strict=True)
        ),
    )


def _per_photo(logits: Tensor, labels: Tensor, temperature: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Best probability, whether it is right, squared distance to the one-hot label, cross-entropy: (N,) each."""
    logs = (logits.double() / temperature).log_softmax(dim=1)
    odds = logs.exp()
    of_label = logs.gather(1, labels[:, None])[:, 0]
    best = odds.amax(dim=1)
    right = (best_of(logits, 1)[:, 0] == labels).double()
    return best, right, (odds**2).sum(dim=1) - 2 * of_label.exp() + 1, -of_label


def _pieces(logits: Tensor, labels: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    rows = max(1, AT_ONCE // logits.shape[1])
    return zip(torch.split(logits, rows), torch.split(labels, rows), strict=True)
