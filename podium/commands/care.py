"""`podium redrive | reclassify | backfill`: images take the queue's way again, or for the first time."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from podium.errors import EXIT_USAGE, ConsoleError

if TYPE_CHECKING:
    from podium.connection import Connection

Stack = Annotated[
    str | None, typer.Option("--stack", help="A stack on AWS; without it, the local one.", show_default=False)
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
Rate = Annotated[float, typer.Option("--rate", min=0.1, help="Images put on the queue per second, at most.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]


def redrive(
    reason: Annotated[
        str | None, typer.Option(help="Only these: unreadable, given_up, crashed, or a part of the reason.")
    ] = None,
    batch: Annotated[str | None, typer.Option(help="Only images of this batch.", metavar="NAME")] = None,
    rate: Rate = 50,
    dry_run: DryRun = False,
    stack: Stack = None,
    as_json: AsJson = False,
) -> None:
    """Put dead letters back on the queue, once their cause is mended."""
    from podium.care import redrive as replay
    from podium.care.pacing import Pace
    from podium.connection import Connection
    from podium.shown import care as care_told
    from podium.shown import results as present
    from podium.shown.progress import waiting

    connection = Connection(stack)
    wanted = replay.Wanted(reason=reason, batch=batch)
    with waiting("looking through the dead letters") as note:
        kinds = replay.redrive(
            connection, wanted, pace=Pace(rate), dry_run=dry_run, on_moved=lambda moved: note(f"{moved} moved")
        )
    if as_json:
        present.print_json(
            {
                "dry_run": dry_run,
                "moved": 0 if dry_run else sum(kind.wanted for kind in kinds),
                "left": sum(kind.left + (kind.wanted if dry_run else 0) for kind in kinds),
                "kinds": [kind.model_dump(mode="json") for kind in kinds],
            }
        )
    elif kinds:
        present.answer.print(care_told.kinds_table(kinds, dry_run=dry_run))
    present.notes.print(care_told.redriven(kinds, dry_run=dry_run))
    if (batch := care_told.batch_of(kinds)) and not dry_run:
        present.notes.print(f"next: podium watch {batch}{_stack(connection)}")


def reclassify(
    model: Annotated[str, typer.Option(help="The version that is asked: it must be on the server.", metavar="NAME@VERSION")],
    batch: Annotated[str | None, typer.Option(help="The images of this batch.", metavar="NAME")] = None,
    label: Annotated[str | None, typer.Option(help="The images whose most likely class this is.")] = None,
    uncertain: Annotated[bool, typer.Option("--uncertain", help="The images that no answer should be trusted on.")] = False,
    image: Annotated[str | None, typer.Option(help="One image: s3://bucket/key, or a key of the input bucket.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many images.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Those that this version has seen, too.")] = False,
    rate: Rate = 50,
    dry_run: DryRun = False,
    stack: Stack = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Ask another version of the model about images that have a row; its rows come beside the old ones."""
    from podium.batches.results import Wanted
    from podium.care import reclassify as reclassifying
    from podium.care.pacing import Pace
    from podium.connection import Connection
    from podium.project import local_stack
    from podium.shown import care as care_told
    from podium.shown import results as present
    from podium.shown.progress import counting

    asked = reclassifying.model_of(model)
    if not (batch or label or uncertain or image):
        raise ConsoleError("which images? Name --batch, --label, --uncertain or --image.", EXIT_USAGE)
    connection = Connection(stack)
    if connection.local and (local := local_stack()):
        reclassifying.check_served(f"http://127.0.0.1:{local.management_port}", asked)
    wanted = Wanted(batch=batch, label=label, uncertain=uncertain, image=image)
    planned = reclassifying.plan(connection, wanted, asked, again=again, limit=limit)
    if not dry_run:
        with counting() as count:
            total = len(planned.orders)
            reclassifying.send_all(connection, planned.orders, Pace(rate), lambda n: count("asking again", n, total))
    if as_json:
        present.print_json(
            {
                "model": asked.ref,
                "dry_run": dry_run,
                "images": len(planned.orders),
                "already": planned.already,
                "never_seen": planned.never_seen,
            }
        )
    present.notes.print(care_told.reclassified(planned, asked.ref, dry_run=dry_run))
    if planned.orders and not dry_run:
        what = f"results {planned.batches[0]}" if len(planned.batches) == 1 else "status"
        present.notes.print(f"next: podium {what}{_stack(connection)}")


def backfill(
    location: Annotated[str, typer.Argument(help="Where the images lie.", metavar="s3://BUCKET/PREFIX")],
    manifest: Annotated[
        Path | None, typer.Option(help="A file that names the images: a key per line, or JSON lines with Key.")
    ] = None,
    job: Annotated[
        str | None, typer.Option(help="Its name, and the batch's; without it, one with the time.", metavar="NAME")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until every image has a verdict.")] = False,
    stack: Stack = None,
    as_json: AsJson = False,
) -> None:
    """Classify what lies in a bucket already; what has a result is skipped."""
    from podium.care import backfill as backfilling
    from podium.care.manifest_files import upload_manifest
    from podium.commands.batch import show_progress
    from podium.connection import Connection
    from podium.shown import care as care_told
    from podium.shown import results as present
    from podium.shown.progress import counting

    connection = Connection(stack)
    source = backfilling.source_at(connection, location)
    job = job or f"backfill-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    backfilling.check_job(connection, job)
    key = None
    if manifest is not None:
        key, named = upload_manifest(connection, manifest, source, job)
        present.notes.print(f"{manifest} names {named} images")
    execution = backfilling.start(connection, job, source, key)
    present.notes.print(f"backfill {job} lists s3://{source.bucket}/{source.prefix}; it goes on without this console")
    with counting() as count:
        run = backfilling.follow(
            lambda: backfilling.look(connection, execution),
            lambda now: count("enqueueing", now.done, now.total, f"{now.failed} failed" if now.failed else ""),
        )
    report = backfilling.report_of(connection, job)
    if as_json:
        found = report.model_dump(mode="json") if report else None
        present.print_json({"job": job, "status": run.status, "failed": run.failed, "report": found})
    if report:
        present.notes.print(care_told.found(report))
    backfilling.check_whole(connection, job, run)
    if report and report.enqueued:
        if wait:
            show_progress(connection, job, None)
        present.notes.print(f"next: podium {'results' if wait else 'watch'} {job}{_stack(connection)}")


def _stack(connection: Connection) -> str:
    return "" if connection.local else f" --stack {connection.stack}"


def register(app: typer.Typer) -> None:
    """Add these commands to the console."""
    for command in (redrive, reclassify, backfill):
        app.command()(command)
