"""Figures in words, the same on every page and in the model card."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from training.evaluation.records import ClaimMeasured, Evaluation, Interval
from training.sentences import plural  # noqa: F401 - for templates
from training.settings.settled import UNAUGMENTED, UNMIXED

SPLITS = ("train", "validation", "test")
NONE = "–"
SPACE = "\u00a0"  # before a percent sign, where no line may break
OTHERS = "The two figures compare only if this run has the same photos and the same split as the claim."
METRICS = {"top1": "top-1", "top3": "top-3", "loss": "loss", "macro_f1": "macro F1"}


def percent(share: float | None, digits: int = 1) -> str:
    """0.8697 is 87.0 %; a dash if there is nothing to measure."""
    return NONE if share is None else f"{share * 100:.{digits}f}{SPACE}%"


def points(share: float) -> str:
    """A difference of two shares in points of percent, with its sign: −14.8."""
    return f"{share * 100:+.1f}".replace("-", "−")


def number(value: float | None, digits: int = 3) -> str:
    """With a fixed number of digits behind the point; a dash if there is nothing to measure."""
    return NONE if value is None else f"{value:.{digits}f}"


def count(value: int) -> str:
    """With a comma at the thousands."""
    return f"{value:,}"


def photos(value: int, kind: str = "") -> str:
    """1 photo, 1,466 validation photos."""
    words = [count(value), kind, "photo" if value == 1 else "photos"]
    return " ".join(word for word in words if word)


def interval(figure: Interval, metric: str = "top1") -> str:
    """The bounds alone: 85.2 to 88.6 %, or 0.48 to 0.53 for a loss."""
    if metric == "loss":
        return f"{figure.low:.3f} to {figure.high:.3f}"
    return f"{figure.low * 100:.1f} to {figure.high * 100:.1f}{SPACE}%"


def headline(figure: Interval, metric: str = "top1") -> str:
    """The figure of a metric, without its bounds."""
    return number(figure.value) if metric == "loss" else percent(figure.value)


def claim_outcome(measured: ClaimMeasured) -> str:
    """Whether a claim was met, if these photos can tell."""
    return "claim neither met nor missed" if measured.open else "claim met" if measured.met else "claim not met"


def claim_sentence(found: ClaimMeasured, evaluation: Evaluation) -> str:
    """A source's claim beside the measured figure, and whether these photos can tell the two apart."""
    claim, measured = found.claim, found.measured
    claimed, value = (number(v) if claim.metric == "loss" else percent(v, 2) for v in (claim.value, measured.value))
    return (
        f"Claimed: {METRICS[claim.metric]} {claimed} on {claim.photos} ({claim.source}). Measured here, on the"
        f" {evaluated_photos(evaluation)} of this run: {value} (95{SPACE}% interval {interval(measured, claim.metric)})"
        + ("; the claim lies inside, so these photos cannot tell the two apart." if found.open else ".")
        + f" {OTHERS}"
    )


def evaluated_photos(evaluation: Evaluation) -> str:
    """1,466 validation photos, or 60 photos of holiday if a person gave that folder."""
    if evaluation.split in SPLITS:
        return photos(evaluation.images, evaluation.split)
    return f"{photos(evaluation.images)} of {Path(evaluation.split).name}"


def who_chose(evaluation: Evaluation, epoch: int | None, monitor: str) -> Iterator[str]:
    """Whether these photos were used to choose the checkpoint and thresholds, or were held out; a sentence each."""
    kept = "The kept checkpoint" + (f" (epoch {epoch}, by {METRICS.get(monitor, monitor)})" if epoch else "")
    chosen = f"{kept}, the temperature and the uncertainty threshold were chosen on"
    if evaluation.split == "validation":
        yield f"{chosen} these validation photos, so the figures are a little optimistic: held-out photos may score lower."
    elif evaluation.split == "test":
        yield f"{chosen} validation photos; these test photos were held out."
        if evaluation.earlier:
            yield (
                f"These weights were evaluated on the test photos before, on {evaluation.earlier[0]}. If you change the model"
                " because of the figures, these photos become validation photos."
            )
    elif evaluation.split == "train":
        yield "The model learnt from these photos: the figures say nothing about other photos."
    else:
        yield f"{chosen} validation photos; these photos were held out, unless they are among those."
    if evaluation.learnt and evaluation.split != "train":
        yield (
            f"The model has learnt {count(evaluation.learnt)} of these {photos(evaluation.images)}: the figures are too"
            " good."
        )
    absent = sum(row.images == 0 for row in evaluation.classes)
    if absent:
        yield f"{absent} of {len(evaluation.classes)} classes have no photo here: averages are over the others."


def what_ended(settings: Mapping[str, Any], epochs: int) -> Iterator[str]:
    """From which epoch on augmentation or mixing was off, which bends the curves; a sentence each.

    `epochs` is the number of epochs trained: a later end is not mentioned.
    """
    for name, parts, what in (
        ("augment_off_epochs", UNAUGMENTED, "they are only cropped, shifted and flipped"),
        ("mix_off_epochs", UNMIXED, "they are not mixed"),
    ):
        first = int(settings.get("epochs") or 0) - int(settings.get(name) or 0) + 1
        if first <= epochs and any(settings.get(part) for part in parts):
            yield f"From epoch {first} on {what}."
