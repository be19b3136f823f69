"""Figures as people read them, the same on every page and in the model card."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from training.evaluation.records import ClaimMeasured, Evaluation, Interval
from training.settings.settled import UNAUGMENTED, UNMIXED

SPLITS = ("train", "validation", "test")
NONE = "–"
SPACE = "\u00a0"  # before a percent sign, where no line may break
OTHERS = "The two are of the same photos only if this run was given the very photos of the claim, split and all."
METRICS = {"top1": "top-1", "top3": "top-3", "loss": "loss", "macro_f1": "macro F1"}


def percent(share: float | None, digits: int = 1) -> str:
    """0.8697 is 87.0 %; a dash where there is nothing to measure."""
    return NONE if share is None else f"{share * 100:.{digits}f}{SPACE}%"


def points(share: float) -> str:
    """A difference of two shares in points of percent, with its sign: −14.8."""
    return f"{share * 100:+.1f}".replace("-", "−")


def number(value: float | None, digits: int = 3) -> str:
    """With a fixed number of digits behind the point; a dash where there is nothing to measure."""
    return NONE if value is None else f"{value:.{digits}f}"


def count(value: int) -> str:
    """With a comma at the thousands."""
    return f"{value:,}"


def photos(value: int, kind: str = "") -> str:
    """1 photo, 1,466 validation photos."""
    words = [count(value), kind, "photo" if value == 1 else "photos"]
    return " ".join(word for word in words if word)


def plural(value: int, one: str, many: str | None = None) -> str:
    """1 class, 15 classes."""
    return f"{count(value)} {one if value == 1 else many or one + 's'}"


def interval(figure: Interval, metric: str = "top1") -> str:
    """The bounds alone: 85.2 to 88.6 %, or 0.48 to 0.53 for a loss."""
    if metric == "loss":
        return f"{figure.low:.3f} to {figure.high:.3f}"
    return f"{figure.low * 100:.1f} to {figure.high * 100:.1f}{SPACE}%"


def headline(figure: Interval, metric: str = "top1") -> str:
    """The figure of a metric, without its bounds."""
    return number(figure.value) if metric == "loss" else percent(figure.value)


def claim_verdict(judged: ClaimMeasured) -> str:
    """Whether a claim was met, where these photos can tell."""
    return "claim neither met nor missed" if judged.open else "claim met" if judged.met else "claim not met"


def claim_sentence(judged: ClaimMeasured, evaluation: Evaluation) -> str:
    """What a source claims beside what was measured and on which photos, and whether these can tell the two apart."""
    claim, measured = judged.claim, judged.measured
    said, found = (number(v) if claim.metric == "loss" else percent(v, 2) for v in (claim.value, measured.value))
    return (
        f"Claimed: {METRICS[claim.metric]} {said} on {claim.photos} ({claim.source}). Measured here, on the"
        f" {judged_photos(evaluation)} of this run: {found} (95{SPACE}% interval {interval(measured, claim.metric)})"
        + ("; the claim lies inside, so these photos cannot tell the two apart." if judged.open else ".")
        + f" {OTHERS}"
    )


def judged_photos(evaluation: Evaluation) -> str:
    """1,466 validation photos, or 60 photos of holiday where a person gave the folder."""
    if evaluation.split in SPLITS:
        return photos(evaluation.images, evaluation.split)
    return f"{photos(evaluation.images)} of {Path(evaluation.split).name}"


def who_chose(evaluation: Evaluation, epoch: int | None, monitor: str) -> Iterator[str]:
    """Which photos chose what, so that nobody takes a chosen figure for a found one; a sentence each."""
    kept = "the kept checkpoint" + (f" (epoch {epoch}, by {METRICS.get(monitor, monitor)})" if epoch else "")
    chosen = f"alidation photos chose {kept}, the temperature and the uncertainty threshold"
    if evaluation.split == "validation":
        yield (
            f"The v{chosen}, so these figures flatter the model a little: photos that no choice looked at may score"
            " lower."
        )
    elif evaluation.split == "test":
        yield f"V{chosen}; no choice looked at these test photos."
        if evaluation.earlier:
            yield (
                f"The test photos were judged with these weights before, on {evaluation.earlier[0]}. Whoever changes the"
                " model after looking at them makes them validation photos."
            )
    elif evaluation.split == "train":
        yield "The model learnt from these very photos: the figures say nothing of others."
    else:
        yield f"V{chosen}; these photos had no part in it, unless they lie among them."
    if evaluation.learnt and evaluation.split != "train":
        yield (
            f"The model has learnt {count(evaluation.learnt)} of these {photos(evaluation.images)}: the figures are too"
            " good."
        )
    absent = sum(row.images == 0 for row in evaluation.classes)
    if absent:
        yield f"{absent} of {len(evaluation.classes)} classes have no photo here: averages are over the others."


def what_ended(settings: Mapping[str, Any], epochs: int) -> Iterator[str]:
    """From which epoch on training photos were changed less, which bends the curves; a sentence each.

    `epochs` are those that there were: what was to end after them did not.
    """
    for name, parts, what in (
        ("augment_off_epochs", UNAUGMENTED, "each is only cropped, shifted and flipped"),
        ("mix_off_epochs", UNMIXED, "none is mixed with another"),
    ):
        first = int(settings.get("epochs") or 0) - int(settings.get(name) or 0) + 1
        if first <= epochs and any(settings.get(part) for part in parts):
            yield f"From epoch {first} on {what}."
