"""The plots of the report: from numbers to SVG elements."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter

from training.evaluation.intervals import share
from training.evaluation.records import Calibration
from training.report.drawing import DASHES, GRID, INK, SERIES, WRONG, axes, svg
from training.report.scored import Bools, Floats, Ints

MARKED_EPOCHS = 20  # up to so many, every epoch gets a dot
THIN = 300  # points of a curve; more are not seen
WORST = 4  # classes drawn beside the mean
Curve = Callable[[int], tuple[Floats, Floats]]  # of a class, by number: x and y


@dataclass(frozen=True)
class Plot:
    """A plot with its title and its legend: pairs of a name and the place of its colour, from 1; 0 is ink."""

    title: str
    svg: str
    legend: tuple[tuple[str, int], ...] = ()
    note: str = ""


def learning_curves(epochs: Sequence[Mapping[str, Any]], kept: int | None) -> list[Plot]:
    """Loss, accuracy, learning rate and speed by epoch; a figure that the lines lack is left out."""
    panels = (
        ("Loss", {"training": "train_loss", "validation": "loss"}, "nats"),
        ("Accuracy", {"top-1": "top1", "top-3": "top3", "top-1 of training photos": "train_top1"}, "share of photos"),
        ("Learning rate", {"learning rate": "lr"}, "at the end of the epoch"),
        ("Speed", {"images/s": "images_per_s"}, "training photos a second"),
    )
    drawn = (_by_epoch(epochs, kept, *panel) for panel in panels)
    return [plot for plot in drawn if plot is not None]


def _by_epoch(
    epochs: Sequence[Mapping[str, Any]], kept: int | None, title: str, fields: Mapping[str, str], unit: str
) -> Plot | None:
    lines = {name: series(epochs, field) for name, field in fields.items()}
    lines = {name: line for name, line in lines.items() if len(line[0])}
    if not lines:
        return None
    figure, plot = axes("epoch", unit)
    for place, (x, y) in enumerate(lines.values()):
        draw_line(plot, x, y, place)
    if kept is not None:
        plot.axvline(kept, color=INK, linewidth=0.8, linestyle=(0, (2, 2)), zorder=1)
    finish_epochs(plot, share=title == "Accuracy", from_zero=title != "Loss")
    legend = tuple((name, place) for place, name in enumerate(lines, start=1)) if len(lines) > 1 else ()
    return Plot(title, svg(figure, f"{title} by epoch"), legend)


def series(epochs: Sequence[Mapping[str, Any]], field: str) -> tuple[list[float], list[float]]:
    """Epochs and values of one field; lines without a number are left out."""
    pairs = [(line["epoch"], line[field]) for line in epochs if isinstance(line.get(field), int | float)]
    return [float(x) for x, _ in pairs], [float(y) for _, y in pairs]


def draw_line(plot: Axes, x: Sequence[float], y: Sequence[float], place: int) -> None:
    """One line of a plot over epochs, in the colour and dash of its place."""
    marker = "o" if len(x) <= MARKED_EPOCHS else ""
    colour, dash = SERIES[place % len(SERIES)], DASHES[place % len(DASHES)]
    plot.plot(x, y, color=colour, linestyle=dash, linewidth=1.8, marker=marker, markersize=3.6)


def finish_epochs(plot: Axes, *, share: bool, from_zero: bool) -> None:
    """Whole epochs below; shares as percent, other figures from zero with `from_zero`."""
    plot.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=10))
    if share:
        _percent(plot, "y")
        plot.set_ylim(top=min(1.01, plot.get_ylim()[1]))
    elif from_zero:
        plot.set_ylim(0, 1.06 * plot.dataLim.ymax or 1)


def _percent(plot: Axes, which: str) -> None:
    for axis in (axis for name, axis in (("x", plot.xaxis), ("y", plot.yaxis)) if name in which):
        axis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
        axis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))


def roc(labels: Ints, probabilities: Floats, classes: Sequence[str], scores: Mapping[str, float]) -> Plot:
    """True over false positive rate: the mean of the classes, and those with the smallest area (`scores`)."""
    from sklearn.metrics import roc_curve

    def of(place: int) -> tuple[Floats, Floats]:
        x, y, _ = roc_curve(labels == place, probabilities[:, place])
        return x, y

    figure, plot = axes("false positive rate", "true positive rate", height_in=3.5)
    plot.plot([0, 1], [0, 1], color=GRID, linewidth=1)
    legend = _mean_and_worst(plot, of, classes, scores)
    return Plot("ROC", svg(figure, "ROC curves"), legend)


def precision_recall(labels: Ints, probabilities: Floats, classes: Sequence[str], scores: Mapping[str, float]) -> Plot:
    """Precision over recall: the mean of the classes, and those with the smallest average precision (`scores`)."""
    from sklearn.metrics import precision_recall_curve

    def of(place: int) -> tuple[Floats, Floats]:
        y, x, _ = precision_recall_curve(labels == place, probabilities[:, place])
        return x[::-1], y[::-1]

    figure, plot = axes("recall", "precision", height_in=3.5)
    legend = _mean_and_worst(plot, of, classes, scores)
    return Plot("Precision and recall", svg(figure, "Precision-recall curves"), legend)


def _mean_and_worst(
    plot: Axes, of: Curve, classes: Sequence[str], scores: Mapping[str, float]
) -> tuple[tuple[str, int], ...]:
    worst = sorted(scores, key=lambda label: (scores[label], label))[:WORST]
    grid = np.linspace(0, 1, THIN + 1)
    for place, label in reversed(list(enumerate(worst))):
        x, y = of(classes.index(label))
        some = np.unique(np.linspace(0, len(x) - 1, THIN).astype(int))
        plot.plot(x[some], y[some], color=SERIES[place], linestyle=DASHES[place], linewidth=1.5)
    mean = np.mean([np.interp(grid, *of(classes.index(label))) for label in scores], axis=0)
    plot.plot(grid, mean, color=INK, linewidth=2.2)
    _percent(plot, "xy")
    plot.set_xlim(-0.01, 1.01)
    plot.set_ylim(-0.01, 1.01)
    average = sum(scores.values()) / len(scores)
    named = [(f"{label} ({scores[label]:.3f})", place) for place, label in enumerate(worst, start=1)]
    return ((f"mean of {len(scores)} classes ({average:.3f})", 0), *named)


def reliability(calibration: Calibration, title: str) -> Plot:
    """Accuracy over confidence; on the dashed line the two are equal."""
    figure, plot = axes("confidence", "accuracy", height_in=3.5)
    filled = [part for part in calibration.bins if part.images and part.accuracy is not None]
    largest = max((part.images for part in filled), default=1)
    intervals = [share(round((part.accuracy or 0) * part.images), part.images) for part in filled]
    for part in filled:
        width = part.high - part.low
        plot.bar(part.low, part.accuracy or 0, width, align="edge", color=SERIES[0], alpha=0.6, linewidth=0)
        plot.bar(part.low, 0.12 * part.images / largest, width, align="edge", color=INK, alpha=0.5, linewidth=0)
    plot.plot([0, 1], [0, 1], color=INK, linewidth=1, linestyle=(0, (3, 2)))
    means = [part.confidence or 0 for part in filled]
    plot.vlines(means, [one.low for one in intervals], [one.high for one in intervals], color=SERIES[1], linewidth=1.2)
    plot.plot(means, [part.accuracy or 0 for part in filled], "o", color=SERIES[1], markersize=3.6)
    _percent(plot, "xy")
    plot.set_xlim(0, 1)
    plot.set_ylim(0, 1.02)
    return Plot(title, svg(figure, f"Reliability diagram, {title}"))


def coverage(probabilities: Floats, right: Bools, threshold: float) -> Plot:
    """Accuracy of the most confident predictions over their share of all; the dot is the model's threshold."""
    best = probabilities.max(axis=1)
    order = np.argsort(-best, kind="stable")
    covered = np.arange(1, len(order) + 1) / len(order)
    accuracy = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    some = np.unique(np.linspace(0, len(order) - 1, THIN).astype(int))
    figure, plot = axes("share of photos, most confident first", "accuracy of these", height_in=3.5)
    plot.plot(covered[some], accuracy[some], color=SERIES[0], linewidth=1.8)
    answered = int((best >= threshold).sum())
    if answered:
        plot.plot(covered[answered - 1], accuracy[answered - 1], "o", color=WRONG, markersize=7)
    _percent(plot, "xy")
    plot.set_xlim(0, 1.01)
    plot.set_ylim(max(0.0, float(accuracy[len(accuracy) // 20 :].min()) - 0.05), 1.005)
    return Plot("What the uncertainty threshold does", svg(figure, "Accuracy over coverage"))
