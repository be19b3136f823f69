"""The beginning of a report: the figures, their photos, and what limits them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from training.evaluation.records import ClassScores, Evaluation, Interval
from training.report import words
from training.report.matrix import ConfusedPair
from training.report.scored import ScoredEvaluation
from training.sentences import plural


@dataclass(frozen=True)
class Headline:
    """A headline figure: `low` and `high` are places on a bar from 0 to 1, None if it is no share."""

    name: str
    value: str
    bounds: str
    low: float | None
    high: float | None
    note: str = ""


def headlines(evaluation: Evaluation) -> list[Headline]:
    """The four headlines with their intervals."""
    most = max((row.images for row in evaluation.classes), default=0) / max(1, evaluation.images)
    return [
        _share("top-1", evaluation.top1, f"always naming the largest class: {words.percent(most)}"),
        _share("top-3", evaluation.top3, "the right class is among the three best"),
        _share("macro F1", evaluation.macro_f1, "every class counts alike"),
        Headline("loss", words.number(evaluation.loss.value), words.interval(evaluation.loss, "loss"), None, None,
             f"nats; guessing blindly: {np.log(len(evaluation.classes)):.3f}"),
    ]  # fmt: skip


def _share(name: str, figure: Interval, note: str) -> Headline:
    return Headline(name, words.percent(figure.value), words.interval(figure), figure.low, figure.high, note)


def worst_first(evaluation: Evaluation) -> list[ClassScores]:
    """Classes by F1, the worst first; those without a photo last."""
    return sorted(evaluation.classes, key=lambda row: (row.f1 is None, row.f1 or 0.0, row.label))


def in_short(scored: ScoredEvaluation, pairs: list[ConfusedPair], suspects: int) -> Iterator[tuple[str, str]]:
    """The main findings, each as a few words in bold and a sentence."""
    evaluation = scored.evaluation
    worst = worst_first(evaluation)[0]
    if worst.f1 is not None and len(evaluation.classes) > 1:
        yield (
            f"Weakest class: {worst.label}.",
            f"F1 {words.percent(worst.f1)}: recall {words.percent(worst.recall)} on its {words.photos(worst.images)}, precision"
            f" {words.percent(worst.precision)}.",
        )
    if pairs:
        yield f"Most confused: {pairs[0].first} and {pairs[0].second}.", pairs[0].sentence
    yield "Probabilities:", calibration_sentence(scored)
    if suspects:
        yield (
            f"{plural(suspects, 'label')} may be wrong.",
            f"That is {words.percent(suspects / evaluation.images)} of these photos: look at them before you change the"
            " model.",
        )
    if scored.learnt:
        yield (
            f"{plural(scored.learnt, 'photo')} of these {words.count(evaluation.images)} are training photos.",
            "The model learnt from the same bytes, so the figures are too good.",
        )


def calibration_sentence(scored: ScoredEvaluation) -> str:
    """Calibration of the probabilities before and after the temperature."""
    plain, scaled = scored.evaluation.plain, scored.evaluation.calibrated
    gap = sum(part.images * ((part.confidence or 0) - (part.accuracy or 0)) for part in plain.bins)
    direction = "too high" if gap > 0 else "too low"
    if plain.ece < 0.02:
        return f"without the temperature they are {words.percent(plain.ece)} off on average (ECE): they are well calibrated."
    return (
        f"without the temperature they are {words.percent(plain.ece)} off on average (ECE), mostly {direction}; with the"
        f" temperature {scaled.temperature:.3g}, {words.percent(scaled.ece)}."
    )


def threshold_sentence(scored: ScoredEvaluation) -> str:
    """Coverage and accuracy of these photos at the model's uncertainty threshold."""
    doubt = scored.story.model.uncertainty
    sure = scored.probabilities.max(axis=1) >= doubt.threshold
    right = scored.predicted == scored.labels
    if doubt.coverage == 0:
        return (
            f"No threshold made predictions {words.percent(doubt.target_accuracy, 0)} right on the validation photos, so"
            " every prediction is called uncertain."
        )
    if not sure.any():
        return (
            f"None of these photos reaches the threshold of {words.percent(doubt.threshold)}, chosen on validation photos:"
            f" every prediction here is called uncertain, and {words.percent(float(right.mean()))} of them are right."
        )
    sentence = (
        f"Predictions under {words.percent(doubt.threshold)} are called uncertain: a threshold chosen on validation photos, so"
        f" that the others are {words.percent(doubt.target_accuracy, 0)} right. Here {words.percent(float(sure.mean()))} of the"
        f" predictions reach it, and {words.percent(float(right[sure].mean()))} of these are right"
    )
    if sure.all():
        return sentence + "."
    return f"{sentence}; of the uncertain ones, {words.percent(float(right[~sure].mean()))} are."


def sample_sentence(scored: ScoredEvaluation) -> str:
    """Whether the model learnt from these photos (in-sample) or not (out-of-sample)."""
    if scored.evaluation.split == "train" or scored.learnt == len(scored.labels):
        return "In-sample: the model learnt from these photos, wrong labels included, so most wrong labels are missed here."
    if scored.learnt:
        return f"Partly in-sample: the model learnt from {words.count(scored.learnt)} of these {words.count(len(scored.labels))}."
    return "Out-of-sample: the model learnt from none of these photos, so it did not learn a wrong label here."
