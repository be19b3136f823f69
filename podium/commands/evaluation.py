"""`podium evaluate | compare | predict`: how accurate a trained model is, which of two is better, and its answers for photos."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from podium.commands.options import AsJson, Data, Run, RunOption, Runs, Split
from podium.errors import EXIT_USAGE, ConsoleError, foreseen

if TYPE_CHECKING:
    from training.evaluation.records import Evaluation


def evaluate(
    run: Run,
    split: Annotated[
        Split, typer.Option(help="auto: test if the run has one, else validation. Measure on test only once.")
    ] = "auto",
    data: Data = None,
    report: Annotated[bool, typer.Option("--report/--no-report", help="Write report.html and MODEL_CARD.md.")] = True,
    as_json: AsJson = False,
) -> None:
    """Measure a finished run: accuracy with intervals, every class, calibration, speed."""
    from podium.shown.console import print_next
    from podium.shown.evaluation import evaluation_parts, show
    from podium.shown.progress import counting, waiting

    _check_photos(split, data)
    with foreseen():
        from training.evaluation.evaluate import evaluate

        with counting() as count:
            evaluation = evaluate(
                run, split=split, data=data, on_progress=lambda done, of: count("evaluating photos", done, of)
            )
        with waiting("writing the report") if report else nullcontext():
            pages = _write_pages(run, evaluation) if report else _remove_pages(run, evaluation)
    show(evaluation, evaluation_parts(evaluation), pages, as_json=as_json)
    print_next("package", run)


def compare(
    runs: Runs,
    split: Annotated[
        Split, typer.Option(help="auto: test if every run was evaluated on it already, else validation.")
    ] = "auto",
    data: Data = None,
    report: Annotated[bool, typer.Option("--report/--no-report", help="Write comparison.html.")] = True,
    out: Annotated[
        Path | None,
        typer.Option(help="The page to write.", metavar="FILE", show_default="RUN/evaluation/SPLIT/comparison.html"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare runs on the same photos: which is better, and whether the difference may be chance."""
    from podium.shown.evaluation import comparison_parts, show
    from podium.shown.progress import counting

    _check_photos(split, data)
    if out is not None and not report:
        raise ConsoleError("--out and --no-report exclude each other: leave one out.", EXIT_USAGE)
    with foreseen():
        from training.evaluation.compare import compare
        from training.evaluation.listed import evaluation_folder
        from training.report.comparison import write_comparison

        with counting() as count:
            comparison = compare(
                runs, split, data=data, on_progress=lambda run, done, of: count(f"evaluating {run}", done, of)
            )
        page = out or evaluation_folder(runs[0], comparison.split) / "comparison.html"
        pages = [write_comparison(comparison, runs, page)] if report else []
    show(comparison, comparison_parts(comparison), pages, as_json=as_json)


def predict(
    paths: Annotated[
        list[str],
        typer.Argument(
            help="Files, folders, s3://bucket/prefix, or - to read names from standard input.", metavar="PATH..."
        ),
    ],
    run: RunOption = None,
    archive: Annotated[Path | None, typer.Option(help="Or a packaged model.", metavar="NAME.mar")] = None,
    form: Annotated[
        Literal["table", "jsonl", "csv"] | None,
        typer.Option("--format", help="table for a person, jsonl or csv for a program.", show_default="table"),
    ] = None,
    top_k: Annotated[int, typer.Option(min=1, help="Show so many classes of each photo.", metavar="N")] = 3,
    out: Annotated[Path | None, typer.Option(help="A file to write instead of stdout.", metavar="FILE")] = None,
    as_json: AsJson = False,
) -> None:
    """Classify photos on this machine, without a stack: the most likely classes of each."""
    from podium.shown.console import answer, print_note
    from podium.shown.predictions import PhotoCounts, document, write
    from podium.shown.progress import waiting

    model = run or archive
    if model is None or (run is not None and archive is not None):
        raise ConsoleError("which model? Give either --run RUN or --archive NAME.mar.", EXIT_USAGE)
    if as_json and form is not None:
        raise ConsoleError(
            f"--json and --format {form} exclude each other: one document, or a line for every photo.", EXIT_USAGE
        )
    counts = PhotoCounts()
    with foreseen():
        from training.prediction.predict import predict

        on_screen = answer.is_terminal and out is None  # the predictions themselves are the progress
        with nullcontext() if on_screen else waiting("loading the model") as note:
            results = counts.count(predict(model, paths, top_k=top_k), note)
            if as_json:
                document(results, out)
            else:
                write(results, form or "table", top_k, out)
    if not counts.photos:
        raise ConsoleError(f"there is no photo in {' '.join(paths)}. Give others.", EXIT_USAGE)
    print_note(str(counts) + (f", in {out}" if out else ""))
    if counts.unreadable == counts.photos:
        raise ConsoleError("none of the photos could be read; each line says why.")


def _check_photos(split: Split, data: str | None) -> None:
    if data is not None and split != "auto":
        raise ConsoleError(
            "--split and --data exclude each other: one names the run's photos, the other yours.", EXIT_USAGE
        )


def _write_pages(run: Path, evaluation: Evaluation) -> list[Path]:
    from training.report.model_card import write_card
    from training.report.report import write_report

    return [write_report(run, evaluation.split), write_card(run)]


def _remove_pages(run: Path, evaluation: Evaluation) -> list[Path]:
    """Remove those of an earlier evaluation, which have other figures."""
    from training.evaluation.listed import evaluation_folder
    from training.report.model_card import CARD_FILE
    from training.report.report import REPORT_FILE

    for page in (evaluation_folder(run, evaluation.split) / REPORT_FILE, run / CARD_FILE):
        page.unlink(missing_ok=True)
    return []
