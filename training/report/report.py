"""The report of one evaluation: RUN/evaluation/SPLIT/report.html.

read_judgement -> which photos (choices), plots, tiles, heat -> report.html.j2
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
from training.report.inputs import Judgement, read_judgement
from training.report.matrix import Pair, confused_pairs, matrix_of
from training.report.page import render
from training.report.thumbnails import Album, Tile

__all__ = ["facts_of", "write_comparison", "write_report"]

REPORT_FILE = "report.html"


def write_report(run_folder: Path, split: str) -> Path:
    """Write the report beside `evaluation.json` and return its path. Photos are read anew; those that are gone say so.

    Raises TrainingError where there is no evaluation of this split.
    """
    judgement = read_judgement(run_folder, split)
    path = evaluation_folder(run_folder, split) / REPORT_FILE
    write_atomically(render("report.html.j2", facts_of(judgement)), path)
    return path


def facts_of(judgement: Judgement) -> dict[str, Any]:
    """Everything that the page's template asks for."""
    album = Album(judgement)
    suspects = choices.label_suspects(judgement)
    pairs = confused_pairs(judgement.evaluation.confusion, judgement.story.model.classes, choices.PAIRS)
    grid, strips = choices.drawn(judgement)
    evaluation, story = judgement.evaluation, judgement.story
    return {
        "judgement": judgement,
        "evaluation": evaluation,
        "story": story,
        "model": story.model,
        "cards": headline.cards(evaluation),
        "chosen": list(words.who_chose(evaluation, story.kept_epoch, str(story.config.get("monitor", "top1")))),
        "in_short": list(headline.in_short(judgement, pairs, len(suspects))),
        "ended": list(words.what_ended({**story.config, **story.resolved}, len(story.epochs))),
        "curves": plots.learning_curves(story.epochs, story.kept_epoch),
        "matrix": matrix_of(evaluation.confusion, story.model.classes),
        "pairs": [(pair, *_both_ways(judgement, album, pair)) for pair in pairs],
        "classes": headline.worst_first(evaluation),
        "ranking": _ranking(judgement),
        "reliability": [
            plots.reliability(evaluation.plain, "before: temperature 1"),
            plots.reliability(evaluation.calibrated, f"after: temperature {evaluation.calibrated.temperature:.3g}"),
        ],
        "coverage": plots.coverage(
            judgement.probabilities, judgement.predicted == judgement.labels, story.model.uncertainty.threshold
        ),
        "threshold": headline.threshold_sentence(judgement),
        "strips": _tiles(album, strips),
        "grid": _tiles(album, grid),
        "gallery": _tiles(album, choices.highest_loss(judgement)),
        "suspects": _tiles(album, suspects[: choices.SUSPECTS]),
        "suspect_count": len(suspects),
        "sample": headline.sample_sentence(judgement),
        "explained": explained(judgement, album),
        "settings": settings.settings_of(story),
        "versions": settings.versions_of(story),
        "training_command": settings.training_command(story),
    }


def _tiles(album: Album, photos: Sequence[int]) -> list[Tile]:
    return [album.tile(photo) for photo in photos]


def _both_ways(judgement: Judgement, album: Album, pair: Pair) -> Iterator[list[Tile]]:
    for label, predicted in (pair.places, pair.places[::-1]):
        yield _tiles(album, choices.confused_photos(judgement, label, predicted))


def _ranking(judgement: Judgement) -> list[plots.Plot]:
    """ROC and precision-recall, where a class has photos and others have, too."""
    evaluation, classes = judgement.evaluation, judgement.story.model.classes
    areas = {row.label: row.roc_auc for row in evaluation.classes if row.roc_auc is not None}
    precisions = {row.label: row.average_precision for row in evaluation.classes if row.average_precision is not None}
    given = (judgement.labels, judgement.probabilities, classes)
    drawn = [plots.roc(*given, areas)] if areas else []
    return [*drawn, plots.precision_recall(*given, precisions)] if precisions else drawn
