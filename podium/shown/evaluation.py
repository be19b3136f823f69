"""An evaluation and a comparison as a person and as a script read them: tables and sentences, the headline first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from inference.harmless import harmless
from podium.shown.console import answer, plain_table, print_json, print_note, visible
from training.sentences import plural

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from training.evaluation.comparison import Comparison, RunPair
    from training.evaluation.records import ClaimMeasured, Evaluation, Interval

WORST = 5  # classes, and pairs of classes
SPLITS = ("train", "validation", "test")  # of a run; any other is the path of a person's photos


def show(
    record: Evaluation | Comparison, parts: Iterable[RenderableType], pages: Sequence[Path], *, as_json: bool
) -> None:
    """The parts, or the record as JSON, on stdout; its notes and pages on stderr."""
    if as_json:
        print_json({**record.model_dump(mode="json"), "files": [str(page) for page in pages]})
    else:
        for part in parts:
            answer.print(part)
    for sentence in record.notes:
        print_note(f"note: {sentence}")
    if not as_json:
        for page in pages:
            print_note(str(page))


def evaluation_parts(evaluation: Evaluation) -> Iterator[RenderableType]:
    """Headline, claim, worst classes, most confused pairs, calibration, speed."""
    aside = f", {evaluation.set_aside} set aside: unreadable" if evaluation.set_aside else ""
    yield visible(
        harmless(
            f"{evaluation.run} ({evaluation.architecture}) on {evaluation.split}: {plural(evaluation.images, 'photo')}{aside}"
        ),
        style="bold",
    )
    yield _headlines(evaluation)
    if evaluation.claim is not None:
        yield _claim(evaluation, evaluation.claim)
    yield from _titled(f"worst classes of {len(evaluation.classes)}, by F1", _worst(evaluation))
    yield from _titled("most often mistaken for another", _confused(evaluation))
    yield from _titled("probabilities", _calibration(evaluation))
    speed = evaluation.speed
    yield visible(
        f"\n{speed.images_per_s:.0f} images/s with decoding; one photo's forward pass {speed.forward_ms_p50:.1f} ms"
        f" (p50), {speed.forward_ms_p99:.1f} ms (p99), on {evaluation.machine},"
        f" {speed.threads} thread{'s' if speed.threads > 1 else ''}"
    )


def comparison_parts(comparison: Comparison) -> Iterator[RenderableType]:
    """Every run on the common photos, then every pair in words, and the classes in which a pair differs most."""
    all_runs = "both runs" if len(comparison.runs) == 2 else f"all {len(comparison.runs)} runs"
    photos = f"{comparison.split} photos" if comparison.split in SPLITS else f"photos of {comparison.split}"
    yield visible(harmless(f"{comparison.images} {photos} that {all_runs} classified"), style="bold")
    table = plain_table("run", "model", numbers=("top-1", "95 % interval"))
    for one in sorted(comparison.runs, key=lambda run: -run.top1.value):
        table.add_row(one.name, one.architecture, f"{one.top1.value:.1%}", _interval(one.top1))
    yield table
    for pair in comparison.pairs:
        yield visible(f"\n{harmless(pair.sentence)}", style="green" if pair.better else "")
        points, low, high = (_points(at) for at in (pair.difference.value, pair.difference.low, pair.difference.high))
        yield visible(harmless(f"{pair.b} less {pair.a}: {points} points, 95 % interval {low} to {high}"))
    if len(comparison.pairs) == 1 and any(one.a != one.b for one in comparison.pairs[0].classes):
        yield from _titled("classes that differ most", _class_differences(comparison.pairs[0]))


def _headlines(evaluation: Evaluation) -> Table:
    table = plain_table("", numbers=("measured", "95 % interval"))
    shares = (
        ("top-1", evaluation.top1), ("top-3", evaluation.top3), ("macro precision", evaluation.macro_precision),
        ("macro recall", evaluation.macro_recall), ("macro F1", evaluation.macro_f1),
    )  # fmt: skip
    for name, figure in shares:
        table.add_row(name, f"{figure.value:.1%}", _interval(figure), style="bold" if name == "top-1" else None)
    table.add_row("loss", f"{evaluation.loss.value:.3f}", f"{evaluation.loss.low:.3f} to {evaluation.loss.high:.3f}")
    if evaluation.macro_roc_auc is not None:
        table.add_row("macro ROC-AUC", f"{evaluation.macro_roc_auc:.3f}", "")
    return table


def _claim(evaluation: Evaluation, compared: ClaimMeasured) -> Text:
    claim, measured, met = compared.claim, compared.measured, compared.met
    loss = claim.metric == "loss"
    claimed, found = (f"{value:.3f}" if loss else f"{value:.1%}" for value in (claim.value, measured.value))
    name = {"top1": "top-1", "top3": "top-3", "loss": "loss"}[claim.metric]
    interval = f"{measured.low:.3f} to {measured.high:.3f}" if loss else _interval(measured)
    text = visible(
        f"\nclaimed: {name} {claimed} on {harmless(claim.photos)} ({harmless(claim.source)})\n"
        f"measured on {evaluation.images} {harmless(evaluation.split)} photos of this run, which may be others: {found} (95 % {interval}), "
    )
    if compared.open:
        return text.append("these photos cannot tell", style="bold yellow")
    return text.append("met" if met else "not met", style="bold green" if met else "bold red")


def _worst(evaluation: Evaluation) -> Table:
    table = plain_table("class", numbers=("photos", "precision", "recall", "F1", "ROC-AUC", "average precision"))
    measured = [one for one in evaluation.classes if one.f1 is not None]
    for one in sorted(measured, key=lambda one: one.f1 or 0.0)[:WORST]:
        shares = (_share(value) for value in (one.precision, one.recall, one.f1))
        areas = ("" if value is None else f"{value:.3f}" for value in (one.roc_auc, one.average_precision))
        table.add_row(one.label, str(one.images), *shares, *areas)
    return table


def _confused(evaluation: Evaluation) -> Table | None:
    pairs = [
        (count, evaluation.classes[true], evaluation.classes[named])
        for true, row in enumerate(evaluation.confusion)
        for named, count in enumerate(row)
        if count and true != named
    ]
    if not pairs:
        return None
    table = plain_table("class", "mistaken for", numbers=("photos", "of the class"))
    for count, true, named in sorted(pairs, key=lambda pair: -pair[0])[:WORST]:
        table.add_row(true.label, named.label, str(count), f"{count / true.images:.1%}")
    return table


def _calibration(evaluation: Evaluation) -> Table:
    table = plain_table("", numbers=("temperature", "ECE", "Brier", "loss"))
    for name, one in (("plain", evaluation.plain), ("calibrated", evaluation.calibrated)):
        table.add_row(name, f"{one.temperature:.3f}", f"{one.ece:.3f}", f"{one.brier:.3f}", f"{one.loss:.3f}")
    return table


def _class_differences(pair: RunPair) -> Table:
    table = plain_table("class", numbers=("photos", pair.a, pair.b, "points"))
    for one in pair.classes[:WORST]:
        if one.a != one.b:
            table.add_row(one.label, str(one.images), f"{one.a:.1%}", f"{one.b:.1%}", _points(one.b - one.a))
    return table


def _titled(title: str, table: Table | None) -> Iterator[RenderableType]:
    if table is not None:
        yield visible(f"\n{title}", "bold")
        yield table


def _interval(figure: Interval) -> str:
    return f"{figure.low:.1%} to {figure.high:.1%}"


def _points(share: float) -> str:
    return f"{100 * share:+.1f}"


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"
