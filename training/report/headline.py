"""What a report begins with: the figures, what they were measured on, and what to know before one trusts them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from training.evaluation.records import ClassScores, Evaluation, Interval
from training.report import words
from training.report.inputs import Judgement
from training.report.matrix import Pair


@dataclass(frozen=True)
class Card:
    """A headline figure: `low` and `high` are places on a bar from 0 to 1, None where it is no share."""

    name: str
    value: str
    bounds: str
    low: float | None
    high: float | None
    note: str = ""


def cards(evaluation: Evaluation) -> list[Card]:
    """The four headlines with their intervals."""
    most = max((row.images for row in evaluation.classes), default=0) / max(1, evaluation.images)
    return [
        _share("top-1", evaluation.top1, f"always naming the largest class: {words.percent(most)}"),
        _share("top-3", evaluation.top3, "the right class is among the three best"),
        _share("macro F1", evaluation.macro_f1, "every class counts alike"),
        Card("loss", words.number(evaluation.loss.value), words.interval(evaluation.loss, "loss"), None, None,
             f"nats; guessing blindly: {np.log(len(evaluation.classes)):.3f}"),
    ]  # fmt: skip


def _share(name: str, figure: Interval, note: str) -> Card:
    return Card(name, words.percent(figure.value), words.interval(figure), figure.low, figure.high, note)


def worst_first(evaluation: Evaluation) -> list[ClassScores]:
    """Classes by F1, the worst first; those without a photo last."""
    return sorted(evaluation.classes, key=lambda row: (row.f1 is None, row.f1 or 0.0, row.label))


def in_short(judgement: Judgement, pairs: list[Pair], suspects: int) -> Iterator[tuple[str, str]]:
    """What stands out, each as a few words in bold and a sentence."""
    evaluation = judgement.evaluation
    worst = worst_first(evaluation)[0]
    if worst.f1 is not None and len(evaluation.classes) > 1:
        yield (
            f"Weakest class: {worst.label}.",
            f"F1 {words.percent(worst.f1)}; {words.percent(worst.recall)} of its {words.photos(worst.images)} are"
            f" recognised, and {words.percent(worst.precision)} of what is called so is it.",
        )
    if pairs:
        yield f"Most confused: {pairs[0].first} and {pairs[0].second}.", pairs[0].sentence
    yield "Probabilities:", calibration_sentence(judgement)
    if suspects:
        yield (
            f"{words.plural(suspects, 'label')} may be wrong.",
            f"That is {words.percent(suspects / evaluation.images)} of these photos: look at them before blaming the"
            " model.",
        )
    if judgement.learnt:
        yield (
            f"{words.plural(judgement.learnt, 'photo')} of these {words.count(evaluation.images)} were learnt from.",
            "The same bytes lie among the training photos, so the figures are too good.",
        )


def calibration_sentence(judgement: Judgement) -> str:
    """Whether the plain probabilities promise too much or too little, and what the temperature makes of it."""
    plain, scaled = judgement.evaluation.plain, judgement.evaluation.calibrated
    gap = sum(part.images * ((part.confidence or 0) - (part.accuracy or 0)) for part in plain.bins)
    direction = "too high" if gap > 0 else "too low"
    if plain.ece < 0.02:
        return (
            f"as they come, they are {words.percent(plain.ece)} off on average (ECE): they can be taken at their word."
        )
    return (
        f"as they come, they are {words.percent(plain.ece)} off on average (ECE), mostly {direction}; divided by the"
        f" temperature {scaled.temperature:.3g}, {words.percent(scaled.ece)}."
    )


def threshold_sentence(judgement: Judgement) -> str:
    """What becomes of these photos at the model's uncertainty threshold."""
    doubt = judgement.story.model.uncertainty
    sure = judgement.probabilities.max(axis=1) >= doubt.threshold
    right = judgement.predicted == judgement.labels
    if doubt.coverage == 0:
        return (
            f"No threshold made answers {words.percent(doubt.target_accuracy, 0)} right on the validation photos, so"
            " every answer is called uncertain."
        )
    if not sure.any():
        return (
            f"None of these photos reaches the threshold of {words.percent(doubt.threshold)} that validation photos chose:"
            f" every answer here is called uncertain, and {words.percent(float(right.mean()))} of them are right."
        )
    said = (
        f"Answers under {words.percent(doubt.threshold)} are called uncertain: a threshold chosen on validation photos"
        f" so that the others are {words.percent(doubt.target_accuracy, 0)} right. Here"
        f" {words.percent(float(sure.mean()))} of the photos are answered, and {words.percent(float(right[sure].mean()))}"
        " of these answers are right"
    )
    if sure.all():
        return said + "."
    return f"{said}; of those called uncertain, {words.percent(float(right[~sure].mean()))} would have been."


def sample_sentence(judgement: Judgement) -> str:
    """Whether these photos are ones the model learnt from: what in-sample and out-of-sample figures are worth."""
    if judgement.evaluation.split == "train" or judgement.learnt == len(judgement.labels):
        return "In-sample: the model learnt from these photos, wrong labels included, so most of these are missed here."
    if judgement.learnt:
        return f"Partly in-sample: the model learnt from {words.count(judgement.learnt)} of these {words.count(len(judgement.labels))}."
    if not judgement.story.learnt:
        return "The run kept no list of its training photos, so nobody knows whether these are out-of-sample."
    return "Out-of-sample: the model learnt from none of these photos, so its doubt is its own."
