"""The report of one evaluation: RUN/evaluation/SPLIT/report.html.

read_scored -> which photos (choices), plots, tiles, heat -> report.html.j2
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from training.evaluation.listed import evaluation_folder
from training.files import write_atomically
from training.report import choices, headline, plots, settings, words
from training.report.comparison import write_comparison
from training.report.explained import explained
from training.report.matrix import ConfusedPair, confused_pairs, matrix_of
from training.report.page import render
from training.report.scored import ScoredEvaluation, read_scored
from training.report.thumbnails import Album, Tile

__all__ = ["facts_of", "write_comparison", "write_report"]

REPORT_FILE = "report.html"


def write_report(run_folder: Path, split: str) -> Path:
    """Write the report beside `evaluation.json` and return its path. Photos are read again for their tiles.

    Raises TrainingError if there is no evaluation of this split.
    """
    scored = read_scored(run_folder, split)
    path = evaluation_folder(run_folder, split) / REPORT_FILE
    write_atomically(render("report.html.j2", facts_of(scored)), path)
    return path


def facts_of(scored: ScoredEvaluation) -> dict[str, Any]:
    """The facts of the page's template."""
    album = Album(scored)
    suspects = choices.label_suspects(scored)
    pairs = confused_pairs(scored.evaluation.confusion, scored.story.model.classes, choices.PAIRS)
    grid, strips = choices.drawn(scored)
    evaluation, story = scored.evaluation, scored.story
    return {
        "scored": scored,
        "evaluation": evaluation,
        "story": story,
        "model": story.model,
        "headlines": headline.headlines(evaluation),
        "chosen": list(words.who_chose(evaluation, story.kept_epoch, str(story.config.get("monitor", "top1")))),
        "in_short": list(headline.in_short(scored, pairs, len(suspects))),
        "ended": list(words.what_ended({**story.config, **story.resolved}, len(story.epochs))),
        "curves": plots.learning_curves(story.epochs, story.kept_epoch),
        "matrix": matrix_of(evaluation.confusion, story.model.classes),
        "pairs": [(pair, *_both_ways(scored, album, pair)) for pair in pairs],
        "classes": headline.worst_first(evaluation),
        "ranking": _ranking(scored),
        "reliability": [
            plots.reliability(evaluation.plain, "before: temperature 1"),
            plots.reliability(evaluation.calibrated, f"after: temperature {evaluation.calibrated.temperature:.3g}"),
        ],
        "coverage": plots.coverage(
            scored.probabilities, scored.predicted == scored.labels, story.model.uncertainty.threshold
        ),
        "threshold": headline.threshold_sentence(scored),
        "strips": _tiles(album, strips),
        "grid": _tiles(album, grid),
        "gallery": _tiles(album, choices.highest_loss(scored)),
        "suspects": _tiles(album, suspects[: choices.SUSPECTS]),
        "suspect_count": len(suspects),
        "sample": headline.sample_sentence(scored),
        "explained": explained(scored, album),
        "settings": settings.settings_of(story),
        "versions": settings.versions_of(story),
        "training_command": settings.training_command(story),
    }


def _tiles(album: Album, photos: Sequence[int]) -> list[Tile]:
    return [album.tile(photo) for photo in photos]


def _both_ways(scored: ScoredEvaluation, album: Album, pair: ConfusedPair) -> Iterator[list[Tile]]:
    for label, predicted in (pair.places, pair.places[::-1]):
        yield _tiles(album, choices.confused_photos(scored, label, predicted))


def _ranking(scored: ScoredEvaluation) -> list[plots.Plot]:
    """ROC and precision-recall curves, if at least two classes have photos."""
    evaluation, classes = scored.evaluation, scored.story.model.classes
    areas = {row.label: row.roc_auc for row in evaluation.classes if row.roc_auc is not None}
    precisions = {row.label: row.average_precision for row in evaluation.classes if row.average_precision is not None}
    given = (scored.labels, scored.probabilities, classes)
    drawn = [plots.roc(*given, areas)] if areas else []
    return [*drawn, plots.precision_recall(*given, precisions)] if precisions else drawn
