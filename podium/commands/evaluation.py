"""`podium evaluate | compare | predict`: how good a trained model is, which of two is better, what it says of photos."""

from __future__ import annotations

from contextlib import nullcontext
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from podium.commands.model import foreseen
from podium.errors import EXIT_USAGE, ConsoleError

if TYPE_CHECKING:
    from training.evaluation.records import Evaluation

Data = Annotated[
    str | None,
    typer.Option(
        help="Other photos: a folder with one sub-folder per class, a CSV or JSONL manifest, or an s3:// address of either.",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]


class Split(StrEnum):
    """Which photos of a run are judged."""

    AUTO = "auto"
    VALIDATION = "validation"
    TEST = "test"


class Format(StrEnum):
    """How predictions are written."""

    TABLE = "table"
    JSONL = "jsonl"
    CSV = "csv"


def evaluate(
    run: Annotated[Path, typer.Argument(help="The folder of a finished run.", metavar="RUN")],
    split: Annotated[
        Split, typer.Option(help="auto: test where the run has one, else validation; test is meant to be read once.")
    ] = Split.AUTO,
    data: Data = None,
    report: Annotated[bool, typer.Option("--report/--no-report", help="Write report.html and MODEL_CARD.md.")] = True,
    as_json: AsJson = False,
) -> None:
    """Measure a finished run: accuracy with intervals, every class, calibration, speed."""
    from podium.shown import results as present
    from podium.shown.progress import counting

    _check_one(split, data)
    with foreseen():
        from training.evaluation.evaluate import evaluate as judge

        with counting() as count:
            found = judge(
                run, split=split.value, data=data, on_progress=lambda done, of: count("judging photos", done, of)
            )
        pages = _write_pages(run, found) if report else _remove_pages(run, found)
    if as_json:
        present.print_json({**found.model_dump(mode="json"), "files": [str(page) for page in pages]})
    else:
        from podium.shown.evaluation import parts

        for part in parts(found):
            present.answer.print(part)
    for note in found.notes:
        _note(f"note: {note}")
    if not as_json:
        for page in pages:
            _note(str(page))
    _note(f"next: podium package {run}")


def compare(
    runs: Annotated[list[Path], typer.Argument(help="Folders of finished runs, two or more.", metavar="RUN RUN...")],
    split: Annotated[
        Split, typer.Option(help="auto: test where every run was evaluated on it already, else validation.")
    ] = Split.AUTO,
    data: Data = None,
    report: Annotated[bool, typer.Option("--report/--no-report", help="Write comparison.html.")] = True,
    out: Annotated[
        Path | None, typer.Option(help="Where to write it.", show_default="RUN/evaluation/SPLIT/comparison.html")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say which run is better on the photos that all have judged, and whether that can be chance."""
    from podium.shown import results as present
    from podium.shown.progress import counting

    _check_one(split, data)
    if out is not None and not report:
        raise ConsoleError(
            "--out says where the page goes, and --no-report that there is none: leave one out.", EXIT_USAGE
        )
    with foreseen():
        from training.evaluation.compare import compare as judge
        from training.evaluation.listed import evaluation_folder

        with counting() as count:
            found = judge(
                runs, split.value, data=data, on_progress=lambda run, done, of: count(f"judging with {run}", done, of)
            )
        pages = []
        if report:
            from training.report.comparison import write_comparison

            where = out or evaluation_folder(runs[0], found.split) / "comparison.html"
            pages = [write_comparison(found, runs, where)]
    if as_json:
        present.print_json({**found.model_dump(mode="json"), "files": [str(page) for page in pages]})
    else:
        from podium.shown.evaluation import comparison_parts

        for part in comparison_parts(found):
            present.answer.print(part)
    for note in found.notes:
        _note(f"note: {note}")
    for page in pages:
        _note(str(page))


def predict(
    paths: Annotated[
        list[str],
        typer.Argument(help="Files, folders, s3://bucket/prefix, or - for names on standard input.", metavar="PATH..."),
    ],
    run: Annotated[Path | None, typer.Option(help="The folder of a finished run.", show_default=False)] = None,
    archive: Annotated[Path | None, typer.Option(help="Or a packaged model, NAME.mar.", show_default=False)] = None,
    output: Annotated[
        Format | None,
        typer.Option("--format", help="table to read, jsonl or csv to go on with.", show_default="table"),
    ] = None,
    top_k: Annotated[int, typer.Option(min=1, help="Classes to name for each photo.")] = 3,
    out: Annotated[Path | None, typer.Option(help="A file to write, in place of stdout.", show_default=False)] = None,
    as_json: AsJson = False,
) -> None:
    """Classify photos here, without a stack: the most likely classes of each, with the model's own pre-processing."""
    from podium.shown import results as present
    from podium.shown.predictions import Tally, document, write
    from podium.shown.progress import waiting

    model = run or archive
    if model is None or (run is not None and archive is not None):
        raise ConsoleError("say which model answers: either --run RUN or --archive NAME.mar.", EXIT_USAGE)
    if as_json and output is not None:
        raise ConsoleError(
            f"--json and --format {output.value} exclude each other: one document, or a line for every photo.",
            EXIT_USAGE,
        )
    tally = Tally()
    with foreseen():
        from training.prediction.predict import predict as judge

        seen = present.answer.is_terminal and out is None  # the answers themselves are the progress
        with nullcontext(_silent) if seen else waiting("loading the model") as note:
            answers = tally.counted(judge(model, paths, top_k=top_k), note)
            if as_json:
                document(answers, out)
            else:
                write(answers, (output or Format.TABLE).value, top_k, out)
    if not tally.photos:
        raise ConsoleError(f"there is no photo in {' '.join(paths)}. Give others.", EXIT_USAGE)
    _note(str(tally) + (f", in {out}" if out else ""))
    if tally.photos and tally.unreadable == tally.photos:
        raise ConsoleError("none of the photos could be read; each line says why.")


def register(app: typer.Typer) -> None:
    """Add these commands to the console."""
    for command in (evaluate, compare, predict):
        app.command()(command)


def _check_one(split: Split, data: str | None) -> None:
    if data is not None and split is not Split.AUTO:
        raise ConsoleError(
            "--split and --data exclude each other: one names the run's photos, the other yours.", EXIT_USAGE
        )


def _write_pages(run: Path, found: Evaluation) -> list[Path]:
    from training.report.model_card import write_card
    from training.report.report import write_report

    return [write_report(run, found.split), write_card(run)]


def _remove_pages(run: Path, found: Evaluation) -> list[Path]:
    """Those of an earlier evaluation: its figures are no longer these."""
    from training.evaluation.listed import evaluation_folder
    from training.report.model_card import CARD_FILE
    from training.report.report import REPORT_FILE

    for page in (evaluation_folder(run, found.split) / REPORT_FILE, run / CARD_FILE):
        page.unlink(missing_ok=True)
    return []


def _silent(_: str) -> None:
    pass


def _note(sentence: str) -> None:
    from podium.shown import results as present

    present.notes.print(sentence, soft_wrap=True, markup=False)
