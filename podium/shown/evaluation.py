"""An evaluation and a comparison as a person reads them: tables and sentences, the headline first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import RenderableType

    from training.evaluation.comparison import Comparison, RunPair
    from training.evaluation.records import ClassScores, Evaluation, Interval

WORST = 5  # classes, and pairs of classes
SPLITS = ("train", "validation", "test")  # of a run; others are the place of a person's photos


def parts(found: Evaluation) -> Iterator[RenderableType]:
    """Headline, claim, worst classes, most confused pairs, calibration, speed."""
    aside = f", {found.set_aside} set aside: unreadable" if found.set_aside else ""
    yield Text(f"{found.run} ({found.architecture}) on {found.split}: {found.images} photos{aside}", style="bold")
    yield _headlines(found)
    if found.claim is not None:
        yield _claim(found)
    yield from _titled(f"worst classes of {len(found.classes)}, by F1", _worst(found))
    yield from _titled("most often taken for another", _confused(found))
    yield from _titled("probabilities", _calibration(found))
    speed = found.speed
    yield Text(
        f"\n{speed.images_per_s:.0f} images/s with decoding; one photo's forward pass {speed.forward_ms_p50:.1f} ms"
        f" (p50), {speed.forward_ms_p99:.1f} ms (p99), on {found.machine}, {_threads(speed.threads)}"
    )


def comparison_parts(found: Comparison) -> Iterator[RenderableType]:
    """Every run on the common photos, then every pair in words, with the classes in which it differs most."""
    all_runs = "both runs" if len(found.runs) == 2 else f"all {len(found.runs)} runs"
    photos = f"{found.split} photos" if found.split in SPLITS else f"photos of {found.split}"
    yield Text(f"{found.images} {photos} that {all_runs} have judged", style="bold")
    table = _table("run", "model", "top-1", "95 % interval", words=2)
    for one in sorted(found.runs, key=lambda run: -run.top1.value):
        table.add_row(one.name, one.architecture, f"{one.top1.value:.1%}", _interval(one.top1))
    yield table
    for pair in found.pairs:
        yield Text(f"\n{pair.sentence}", style="green" if pair.better else "")
        yield Text(f"{pair.b} less {pair.a}: {_points(pair.difference.value)} points, 95 % interval {_span(pair)}")
    if len(found.pairs) == 1 and any(one.a != one.b for one in found.pairs[0].classes):
        yield from _titled("classes that differ most", _class_differences(found.pairs[0]))


def _headlines(found: Evaluation) -> Table:
    table = _table("", "measured", "95 % interval")
    shares = (
        ("top-1", found.top1), ("top-3", found.top3), ("macro precision", found.macro_precision),
        ("macro recall", found.macro_recall), ("macro F1", found.macro_f1),
    )  # fmt: skip
    for name, figure in shares:
        table.add_row(name, f"{figure.value:.1%}", _interval(figure), style="bold" if name == "top-1" else None)
    table.add_row("loss", f"{found.loss.value:.3f}", f"{found.loss.low:.3f} to {found.loss.high:.3f}")
    if found.macro_roc_auc is not None:
        table.add_row("macro ROC-AUC", f"{found.macro_roc_auc:.3f}", "")
    return table


def _claim(found: Evaluation) -> Text:
    assert found.claim is not None
    claim, measured, met = found.claim.claim, found.claim.measured, found.claim.met
    loss = claim.metric == "loss"
    claimed, seen = (f"{value:.3f}" if loss else f"{value:.1%}" for value in (claim.value, measured.value))
    name = {"top1": "top-1", "top3": "top-3", "loss": "loss"}[claim.metric]
    interval = f"{measured.low:.3f} to {measured.high:.3f}" if loss else _interval(measured)
    text = Text(
        f"\nclaimed: {name} {claimed} on {claim.photos} ({claim.source})\n"
        f"measured on {found.images} {found.split} photos of this run, which may be others: {seen} (95 % {interval}), "
    )
    if found.claim.open:
        return text.append("these photos cannot tell", style="bold yellow")
    return text.append("met" if met else "not met", style="bold green" if met else "bold red")


def _worst(found: Evaluation) -> Table:
    table = _table("class", "photos", "precision", "recall", "F1", "ROC-AUC", "average precision")
    present = [one for one in found.classes if one.f1 is not None]
    for one in sorted(present, key=_f1)[:WORST]:
        shares = (_share(value) for value in (one.precision, one.recall, one.f1))
        areas = ("" if value is None else f"{value:.3f}" for value in (one.roc_auc, one.average_precision))
        table.add_row(one.label, str(one.images), *shares, *areas)
    return table


def _confused(found: Evaluation) -> Table | None:
    pairs = [
        (count, found.classes[true], found.classes[named])
        for true, row in enumerate(found.confusion)
        for named, count in enumerate(row)
        if count and true != named
    ]
    if not pairs:
        return None
    table = _table("class", "taken for", "photos", "of the class", words=2)
    for count, true, named in sorted(pairs, key=lambda pair: -pair[0])[:WORST]:
        table.add_row(true.label, named.label, str(count), f"{count / true.images:.1%}")
    return table


def _calibration(found: Evaluation) -> Table:
    table = _table("", "temperature", "ECE", "Brier", "loss")
    for name, one in (("plain", found.plain), ("calibrated", found.calibrated)):
        table.add_row(name, f"{one.temperature:.3f}", f"{one.ece:.3f}", f"{one.brier:.3f}", f"{one.loss:.3f}")
    return table


def _class_differences(pair: RunPair) -> Table:
    table = _table("class", "photos", pair.a, pair.b, "points")
    for one in pair.classes[:WORST]:
        if one.a != one.b:
            table.add_row(one.label, str(one.images), f"{one.a:.1%}", f"{one.b:.1%}", _points(one.b - one.a))
    return table


def _titled(title: str, table: Table | None) -> Iterator[RenderableType]:
    if table is not None:
        yield Text(f"\n{title}", style="bold")
        yield table


def _table(*columns: str, words: int = 1) -> Table:
    """Without lines; the first columns hold words, the others numbers."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for place, name in enumerate(columns):
        table.add_column(name, justify="left" if place < words else "right", overflow="fold")
    return table


def _f1(one: ClassScores) -> float:
    return one.f1 or 0.0


def _interval(figure: Interval) -> str:
    return f"{figure.low:.1%} to {figure.high:.1%}"


def _span(pair: RunPair) -> str:
    return f"{_points(pair.difference.low)} to {_points(pair.difference.high)}"


def _points(share: float) -> str:
    return f"{100 * share:+.1f}"


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


def _threads(count: int) -> str:
    return f"{count} thread{'s' if count > 1 else ''}"
