"""What is counted from logits and labels: pure functions from tensors to records.

logits (N, C), labels (N,) -> headlines with intervals, scores per class, confusion, calibration
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from training.evaluation.metrics import wilson_interval
from training.evaluation.records import Bin, Calibration, ClassScores, Interval

RESAMPLES = 1_000
BINS = 15
CERTAIN = 1e-9  # an interval narrower than that claims to know
AT_ONCE = 4_000_000  # numbers in one piece of work: what bounds the memory

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Averages:
    """Precision, recall and F1 over classes; each (R,) for R confusions."""

    precision: Floats
    recall: Floats
    f1: Floats


def best_of(logits: Tensor, k: int) -> Tensor:
    """The k most likely classes of every photo, best first (fewer where the model knows fewer): (N, k) int64."""
    return logits.topk(min(k, logits.shape[1]), dim=1).indices


def accuracy(logits: Tensor, labels: Tensor, k: int) -> Interval:
    """Share of photos whose class is among the k most likely, with Wilson's interval."""
    right = (best_of(logits, k) == labels[:, None]).any(dim=1)
    return share(int(right.sum()), len(labels))


def share(successes: int, count: int) -> Interval:
    """A share and Wilson's 95 % interval."""
    low, high = wilson_interval(successes / count, count)
    return Interval(value=successes / count, low=low, high=high)


def confusion_of(labels: Tensor, predicted: Tensor, class_count: int) -> Tensor:
    """(C, C) int64; rows: the true class, columns: the predicted one."""
    return torch.bincount(labels * class_count + predicted, minlength=class_count**2).reshape(class_count, class_count)


def averages(
    hits: NDArray[np.int64], images: NDArray[np.int64], predicted: NDArray[np.int64], *, weighted: bool = False
) -> Averages:
    """Precision, recall, F1 averaged over the classes that have a photo, from counts per class (R, C).

    A class that is never named has precision 0, as in scikit-learn's `zero_division=0`. Macro averages count every
    class once; weighted ones count it by its photos.
    """
    precision = hits / np.maximum(predicted, 1)
    recall = hits / np.maximum(images, 1)
    f1 = 2 * hits / np.maximum(images + predicted, 1)
    weights = images if weighted else (images > 0)
    total = weights.sum(axis=1)
    return Averages(*((part * weights).sum(axis=1) / total for part in (precision, recall, f1)))


@dataclass(frozen=True)
class Headlines:
    """What an evaluation begins with."""

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
    Draws that are all the same say nothing of chance: there the bounds are those of the accuracy (Wilson).
    """
    classes = logits.shape[1]
    truth, answers = labels.numpy(), best_of(logits, 1)[:, 0].numpy()
    losses = cross_entropy(logits.double(), labels, reduction="none").numpy()
    once = np.arange(len(truth))[None]
    macro = averages(*_counts(truth, answers, once, classes))
    weighted = averages(*_counts(truth, answers, once, classes), weighted=True)
    drawn_losses, drawn = [], []
    for photos in _draws(len(truth), max(len(truth), classes), resamples, seed):
        drawn_losses.append(losses[photos].mean(axis=1))
        drawn.append(averages(*_counts(truth, answers, photos, classes)))

    def interval(value: Floats, parts: Sequence[Floats]) -> Interval:
        low, high = np.quantile(np.concatenate(parts), (0.025, 0.975))
        return Interval(value=value.item(), low=low.item(), high=high.item())

    def of_share(value: Floats, parts: Sequence[Floats], *, shifted: bool = True) -> Interval:
        drawn_shares = np.concatenate(parts)
        shift = value - drawn_shares.mean() if shifted else 0.0
        low, high = np.quantile(drawn_shares + shift, (0.025, 0.975)).clip(0, 1)
        if high - low < CERTAIN:
            right = share(int((truth == answers).sum()), len(truth))
            low, high = np.minimum(value, right.low), np.maximum(value, right.high)
        return Interval(value=value.item(), low=low.item(), high=high.item())

    return Headlines(
        loss=interval(losses.mean(), drawn_losses),
        macro_precision=of_share(macro.precision[0], [part.precision for part in drawn], shifted=False),
        macro_recall=of_share(macro.recall[0], [part.recall for part in drawn]),
        macro_f1=of_share(macro.f1[0], [part.f1 for part in drawn]),
        weighted_precision=weighted.precision[0].item(),
        weighted_recall=weighted.recall[0].item(),
        weighted_f1=weighted.f1[0].item(),
    )


def class_scores(logits: Tensor, labels: Tensor, classes: Sequence[str], temperature: float) -> tuple[ClassScores, ...]:
    """Every class against all others; its photos are ranked by its calibrated probability."""
    confusion = confusion_of(labels, best_of(logits, 1)[:, 0], len(classes))
    hits, images, predicted = confusion.diagonal().tolist(), confusion.sum(1).tolist(), confusion.sum(0).tolist()
    scaled = logits.double() / temperature
    beyond = scaled.logsumexp(dim=1)
    found = []
    for number, name in enumerate(classes):
        auc, average_precision = ranking((scaled[:, number] - beyond).numpy(), (labels == number).numpy())
        there = images[number] > 0
        found.append(
            ClassScores(
                label=name,
                images=images[number],
                predicted=predicted[number],
                precision=hits[number] / max(1, predicted[number]) if there else None,
                recall=hits[number] / images[number] if there else None,
                f1=2 * hits[number] / (images[number] + predicted[number]) if there else None,
                roc_auc=auc,
                average_precision=average_precision,
            )
        )
    return tuple(found)


def ranking(scores: Floats, positive: NDArray[np.bool_]) -> tuple[float | None, float | None]:
    """ROC-AUC and average precision of scores (N,); None where there are no positives, or nothing else.

    scikit-learn's `roc_auc_score` and `average_precision_score`, ties and all, at a tenth of their time.
    """
    ours, all_scores = np.sort(scores[positive]), np.sort(scores)
    count, others = len(ours), len(scores) - len(ours)
    if not count or not others:
        return None, None
    below, up_to = (np.searchsorted(all_scores, ours, side) for side in ("left", "right"))
    ours_below, ours_up_to = (np.searchsorted(ours, ours, side) for side in ("left", "right"))
    beaten = (below - ours_below) + (up_to - ours_up_to - below + ours_below) / 2  # a tie is half a win
    precision = (count - ours_below) / (len(scores) - below)
    return float(beaten.sum() / (count * others)), float(precision.mean())


def calibration(logits: Tensor, labels: Tensor, temperature: float) -> Calibration:
    """Loss, expected calibration error, Brier score and reliability bins of softmax(logits / temperature).

    Guo et al. 2017: https://arxiv.org/abs/1706.04599
    """
    parts = [_judged(*part, temperature) for part in _pieces(logits, labels)]
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


def _judged(logits: Tensor, labels: Tensor, temperature: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    logs = (logits.double() / temperature).log_softmax(dim=1)
    odds = logs.exp()
    of_label = logs.gather(1, labels[:, None])[:, 0]
    best = odds.amax(dim=1)
    right = (best_of(logits, 1)[:, 0] == labels).double()
    return best, right, (odds**2).sum(dim=1) - 2 * of_label.exp() + 1, -of_label


def _pieces(logits: Tensor, labels: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    rows = max(1, AT_ONCE // logits.shape[1])
    return zip(torch.split(logits, rows), torch.split(labels, rows), strict=True)


def _draws(photos: int, width: int, resamples: int, seed: int) -> Iterator[Ints]:
    """Numbers of photos, (R, N), drawn with replacement; in pieces of at most AT_ONCE numbers."""
    numbers = np.random.default_rng(seed)
    rows = max(1, AT_ONCE // width)
    for begin in range(0, resamples, rows):
        yield numbers.integers(0, photos, (min(rows, resamples - begin), photos))


def _counts(truth: Ints, answers: Ints, photos: Ints, classes: int) -> tuple[Ints, Ints, Ints]:
    """Right answers, photos and namings of every class, (R, C) each, for R draws of photos (R, N)."""
    draws = len(photos)
    shift = np.arange(draws)[:, None] * classes
    true, named = truth[photos] + shift, answers[photos] + shift
    counted = (np.bincount(which.ravel(), minlength=draws * classes) for which in (true[true == named], true, named))
    hits, images, predicted = (count.reshape(draws, classes) for count in counted)
    return hits, images, predicted
