"""The page of `podium compare`: several runs on the photos common to all evaluations.

Comparison, run folders -> stories, evaluations -> overlaid curves, differences, photos that only one run has right -> page
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from training.evaluation.comparison import ClassDifference, ComparedRun, Comparison, RunPair
from training.evaluation.records import Evaluation
from training.files import write_atomically
from training.report.drawing import SERIES, axes, svg
from training.report.page import render
from training.report.plots import Plot, draw_line, finish_epochs, series
from training.report.scored import ScoredEvaluation, read_scored
from training.report.story import Story
from training.report.thumbnails import Album, Tile

PHOTOS = 12  # that only one run has right, each way
PAIRS_WITH_PHOTOS = 3
CLASSES = 40  # rows of a table of differences
PANELS = (
    ("Validation loss", "loss", "nats"),
    ("Top-1", "top1", "of the validation photos"),
    ("Training loss", "train_loss", "nats"),
    ("Macro F1", "macro_f1", "of the validation photos"),
)


@dataclass(frozen=True)
class RunRow:
    """A run in the table: its figures on the common photos, and its own evaluation."""

    place: int  # of its colour, from 1
    compared: ComparedRun
    story: Story
    evaluation: Evaluation
    low: float  # places of its interval on the bar that all rows share
    width: float


@dataclass(frozen=True)
class Disagreement:
    """A photo that one of two runs has right and the other wrong, with the predictions of each."""

    right: Tile
    wrong: Tile


@dataclass(frozen=True)
class PairSection:
    """Two of the runs."""

    pair: RunPair
    colours: tuple[int, int]
    classes: tuple[tuple[ClassDifference, float], ...]  # with the length of its bar, -50 to 50
    only_a: tuple[Disagreement, ...]
    only_b: tuple[Disagreement, ...]


def write_comparison(comparison: Comparison, run_folders: Sequence[Path], out: Path) -> Path:
    """Write the page to `out` and return it; the folders are those of `comparison.runs`, in that order.

    Raises TrainingError if one of them has no evaluation of the split.
    """
    evaluations = [read_scored(folder, comparison.split) for folder in run_folders]
    facts = {
        "comparison": comparison,
        "rows": list(_rows(comparison, evaluations)),
        "curves": list(_curves([one.story for one in evaluations], [run.name for run in comparison.runs])),
        "sections": list(_sections(comparison, evaluations)),
        "most_classes": CLASSES,
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(render("comparison.html.j2", facts), out)
    return out


def colour_of(place: int) -> int:
    """The number of a run's colour, from 1; the seventh run begins anew."""
    return place % len(SERIES) + 1


def _rows(comparison: Comparison, evaluations: Sequence[ScoredEvaluation]) -> Iterator[RunRow]:
    least = min(run.top1.low for run in comparison.runs)
    span = max(max(run.top1.high for run in comparison.runs) - least, 1e-9)
    for place, (run, one) in enumerate(zip(comparison.runs, evaluations, strict=True)):
        low, width = 100 * (run.top1.low - least) / span, 100 * (run.top1.high - run.top1.low) / span
        yield RunRow(colour_of(place), run, one.story, one.evaluation, low, width)


def _curves(stories: Sequence[Story], names: Sequence[str]) -> Iterator[Plot]:
    legend = tuple((name, colour_of(place)) for place, name in enumerate(names))
    for title, field, unit in PANELS:
        lines = [series(story.epochs, field) for story in stories]
        if not any(x for x, _ in lines):
            continue
        figure, plot = axes("epoch", unit)
        for place, ((x, y), story) in enumerate(zip(lines, stories, strict=True)):
            draw_line(plot, x, y, place)
            kept = [(at, value) for at, value in zip(x, y, strict=True) if at == story.kept_epoch]
            plot.plot(*zip(*kept, strict=True), "o", color=SERIES[place % len(SERIES)], markersize=8) if kept else None
        finish_epochs(plot, share=field in ("top1", "macro_f1"), from_zero=False)
        yield Plot(title, svg(figure, f"{title} by epoch, {len(names)} runs"), legend)


def _sections(comparison: Comparison, evaluations: Sequence[ScoredEvaluation]) -> Iterator[PairSection]:
    places = {run.name: place for place, run in enumerate(comparison.runs)}
    albums = [Album(scored) for scored in evaluations]
    for number, pair in enumerate(comparison.pairs):
        a, b = places[pair.a], places[pair.b]
        shown = number < PAIRS_WITH_PHOTOS
        largest = max((abs(row.b - row.a) for row in pair.classes), default=0.0) or 1.0
        yield PairSection(
            pair=pair,
            colours=(colour_of(a), colour_of(b)),
            classes=tuple((row, 50 * (row.b - row.a) / largest) for row in pair.classes[:CLASSES]),
            only_a=tuple(_only(albums[a], albums[b])) if shown else (),
            only_b=tuple(_only(albums[b], albums[a])) if shown else (),
        )


def _only(winner: Album, loser: Album) -> Iterator[Disagreement]:
    """Photos that only the winner has right, highest loss of the loser first."""
    ours, theirs = _by_photo(winner.scored), _by_photo(loser.scored)
    found = [(ours[key], theirs[key]) for key in ours if key in theirs]
    split = [(i, k) for i, k in found if _right(winner.scored, i) and not _right(loser.scored, k)]
    for i, k in sorted(split, key=lambda two: -loser.scored.losses[two[1]])[:PHOTOS]:
        yield Disagreement(winner.tile(i), loser.tile(k))


def _by_photo(scored: ScoredEvaluation) -> dict[tuple[str, str], int]:
    classes = scored.story.model.classes
    labels = scored.labels.tolist()
    return {
        (photo.sha256, classes[label]): place
        for place, (photo, label) in enumerate(zip(scored.photos, labels, strict=True))
    }


def _right(scored: ScoredEvaluation, place: int) -> bool:
    return bool(scored.predicted[place] == scored.labels[place])
