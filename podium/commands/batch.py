"""`podium drop | watch | results`: a batch from a person's side."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from podium.errors import EXIT_UNFINISHED, EXIT_USAGE, ConsoleError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from podium.batches.drop import Upload
    from podium.batches.results import Wanted
    from podium.batches.watch import Progress
    from podium.connection import Connection

Stack = Annotated[
    str | None, typer.Option("--stack", help="A stack on AWS; without it, the local one.", show_default=False)
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
Timeout = Annotated[float | None, typer.Option("--timeout", min=1, help="Seconds to wait at most; exit code 3 then.")]


class Format(StrEnum):
    """How results are written."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


def drop(
    paths: Annotated[list[Path], typer.Argument(help="Image files, or folders of them.", metavar="PATH...")],
    batch: Annotated[str, typer.Option("--batch", help="The batch's name; results are asked for by it.")],
    wait: Annotated[bool, typer.Option("--wait", help="Wait until every image has a verdict, then show them.")] = False,
    timeout: Timeout = None,
    stack: Stack = None,
    as_json: AsJson = False,
) -> None:
    """Upload images as one batch."""
    from podium.batches import drop as batches
    from podium.connection import Connection
    from podium.shown import results as present

    uploads = batches.plan_uploads(paths, batch)
    connection = Connection(stack)
    upload_all(connection, uploads)
    if wait:
        show_progress(connection, batch, timeout)
        show_results(connection, batch, Format.JSON if as_json else Format.TABLE)
        return
    where = f"s3://{connection.facts.input_bucket}/incoming/{batch}/"
    if as_json:
        present.print_json({"batch": batch, "images": len(uploads), "location": where})
    present.notes.print(f"{len(uploads)} files are in {where}\nnext: podium watch {batch}")


def watch(
    batch: Annotated[str, typer.Argument(help="The batch's name.", metavar="NAME")],
    timeout: Timeout = None,
    stack: Stack = None,
    as_json: AsJson = False,
) -> None:
    """Watch a batch until every image is classified or rejected."""
    from podium.connection import Connection

    tell_progress(Connection(stack), batch, timeout, as_json=as_json)


def results(
    batch: Annotated[
        str | None, typer.Argument(help="A batch's name; without it, all batches.", metavar="[NAME]")
    ] = None,
    label: Annotated[str | None, typer.Option(help="Only images of this class, most confident first.")] = None,
    min_probability: Annotated[
        float | None, typer.Option("--min", min=0, max=1, help="At least this probable.")
    ] = None,
    status: Annotated[str | None, typer.Option(help="classified or rejected.")] = None,
    image: Annotated[str | None, typer.Option(help="One image: s3://bucket/key, or a key of the input bucket.")] = None,
    uncertain: Annotated[
        bool, typer.Option("--uncertain", help="Only what the model should not be trusted on.")
    ] = False,
    truth: Annotated[bool, typer.Option("--truth", help="An image's folder is its true label: show accuracy.")] = False,
    limit: Annotated[
        int | None, typer.Option(min=1, help="At most so many rows; 50 when nothing narrows them.")
    ] = None,
    form: Annotated[Format, typer.Option("--format", help="How to write them.")] = Format.TABLE,
    stack: Stack = None,
    as_json: AsJson = False,
) -> None:
    """Read results: by batch, label, probability or image."""
    from podium.batches.results import Wanted
    from podium.connection import Connection

    if status not in {None, "classified", "rejected"}:
        raise ConsoleError(f"--status {status!r} is no status: use classified or rejected.", EXIT_USAGE)
    narrowed = any([batch, label, image, status, uncertain])
    wanted = Wanted(
        batch=batch, label=label, min_probability=min_probability, status=status, image=image,
        uncertain=uncertain, limit=limit or (None if narrowed else 50),
    )  # fmt: skip
    show_rows(Connection(stack), wanted, Format.JSON if as_json else form, truth=truth)


def upload_all(connection: Connection, uploads: Sequence[Upload]) -> None:
    """Upload one batch with a bar, and write down that this is what it expects."""
    from podium.batches import drop as batches
    from podium.shown.progress import counting

    with counting() as count:
        images = batches.upload(connection, uploads, lambda done: count("uploading", done, len(uploads)))
    batches.expect(connection, uploads[0].batch, images, datetime.now(UTC))


def show_progress(connection: Connection, batch: str, timeout_s: float | None) -> Progress:
    """Draw a batch's progress until it is finished; ConsoleError (exit code 3) when the time is up before."""
    last = follow(connection, batch, timeout_s)
    check_finished(last, batch, timeout_s)
    return last


def tell_progress(connection: Connection, batch: str, timeout_s: float | None, *, as_json: bool) -> None:
    """Draw a batch's progress, and say on stdout how far it is at the end, whether it is finished or not."""
    from podium.shown import results as present

    last = follow(connection, batch, timeout_s)
    if as_json:
        present.print_json(
            {
                "batch": batch,
                "total": last.total,
                "classified": last.classified,
                "rejected": last.rejected,
                "waiting": last.waiting,
                "rate_per_s": None if last.rate_per_s is None else round(last.rate_per_s, 1),
                "seconds_left": last.seconds_left,
            }
        )
    check_finished(last, batch, timeout_s)
    present.notes.print(f"next: podium results {batch}")


def follow(connection: Connection, batch: str, timeout_s: float | None) -> Progress:
    """Draw a batch's progress until it is finished or the time is up; how far it is then."""
    from podium.batches.watch import watch
    from podium.shown import results as present
    from podium.shown.progress import counting

    told = False
    with counting() as count:
        for now in watch(connection, batch, timeout_s=timeout_s):
            if now.waiting and not told and _server_is_down(connection):
                told = True
                present.notes.print(
                    "  the model server does not answer: images wait in the queue, none is lost. `podium up` starts it."
                )
            count("classifying", now.total - now.waiting, now.total, now.note)
    return now


def check_finished(last: Progress, batch: str, timeout_s: float | None) -> None:
    """ConsoleError (exit code 3) when images still wait: the time was up."""
    if last.waiting:
        raise ConsoleError(
            f"{last.waiting} of {last.total} images still wait after {timeout_s:.0f} s. Nothing is lost: "
            f"they stay in the queue. Go on with `podium watch {batch}`.",
            EXIT_UNFINISHED,
        )


def show_results(connection: Connection, batch: str, form: Format, *, truth: bool = False) -> None:
    """Every row of a batch."""
    from podium.batches.results import Wanted

    show_rows(connection, Wanted(batch=batch), form, truth=truth)


def show_rows(connection: Connection, wanted: Wanted, form: Format, *, truth: bool) -> None:
    """The rows that match, in one of the formats."""
    from podium.batches.results import find
    from podium.shown import results as present

    rows = find(connection, wanted)
    if form is Format.JSON:
        present.print_json(rows)
    elif form is Format.CSV:
        present.print_csv(rows)
    elif not rows:
        present.notes.print("no rows match.")
    else:
        present.answer.print(present.results_table(rows, truth=truth))
        if truth and (line := present.accuracy_line(rows)):
            present.answer.print(f"\n{line}", style="bold")


def _server_is_down(connection: Connection) -> bool:
    """Whether the model server is what images wait for; only the local one can be asked from here."""
    from podium.local import stack as local

    return connection.local and not local.model_server_answers(connection.facts.model_server_url)


def register(app: typer.Typer) -> None:
    """Add these commands to the console."""
    for command in (drop, watch, results):
        app.command()(command)
