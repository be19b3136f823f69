"""`podium redrive | reclassify | backfill`: images go on the queue again, or for the first time; `podium reindex`: old rows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from podium.commands.bulk import Bulk, BulkArchive, Inventory, Local, Rows, ShardImages, backfill_in_bulk
from podium.commands.options import (
    AsJson,
    DryRun,
    Limit,
    OnlyBatch,
    OnlyImage,
    OnlyLabel,
    OnlyUncertain,
    Rate,
    Stack,
    Wait,
)
from podium.errors import EXIT_USAGE, ConsoleError


def redrive(
    reason: Annotated[
        str | None,
        typer.Option(help="Only these: unreadable, given_up, crashed, or a part of the reason.", metavar="REASON"),
    ] = None,
    batch: OnlyBatch = None,
    rate: Rate = 50,
    dry_run: DryRun = False,
    stack: Stack = None,
    as_json: AsJson = False,
) -> None:
    """Put dead letters back on the queue, once their cause is mended."""
    from podium.care.rate_limiter import RateLimiter
    from podium.care.redrive import LetterFilter, redrive
    from podium.connection import Connection
    from podium.shown.care import batch_of, reasons_table, redrive_document, redrive_sentence
    from podium.shown.console import answer, print_json, print_next, print_note
    from podium.shown.progress import waiting

    with waiting("reading the dead letters") as note:
        counts = redrive(
            Connection(stack), LetterFilter(reason=reason, batch=batch), limiter=RateLimiter(rate), dry_run=dry_run,
            on_moved=lambda moved: note(f"{moved} moved"),
        )  # fmt: skip
    if as_json:
        print_json(redrive_document(counts, dry_run=dry_run))
    elif counts:
        answer.print(reasons_table(counts, dry_run=dry_run))
    print_note(redrive_sentence(counts, dry_run=dry_run))
    if (moved := batch_of(counts)) and not dry_run:
        print_next("watch", moved, stack=stack)


def reclassify(
    model: Annotated[str, typer.Option(help="The model's version, which must be on the server.", metavar="NAME@VERSION")],
    batch: OnlyBatch = None,
    label: OnlyLabel = None,
    uncertain: OnlyUncertain = False,
    image: OnlyImage = None,
    limit: Limit = None,
    again: Annotated[bool, typer.Option("--again", help="Include images that this version has classified.")] = False,
    rate: Rate = 50,
    dry_run: DryRun = False,
    stack: Stack = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Classify images again with another version of the model; its rows come beside the old ones."""
    from podium.batches.results import RowFilter
    from podium.batches.unknown import unknown_name
    from podium.care.rate_limiter import RateLimiter
    from podium.care.reclassify import model_of, plan, send_all
    from podium.connection import Connection
    from podium.shown.care import reclassify_document, reclassify_sentence
    from podium.shown.console import print_json, print_next, print_note
    from podium.shown.progress import counting

    version = model_of(model)
    if not (batch or label or uncertain or image):
        raise ConsoleError("which images? Name --batch, --label, --uncertain or --image.", EXIT_USAGE)
    connection = Connection(stack)
    row_filter = RowFilter(batch=batch, label=label, uncertain=uncertain, image=image)
    planned = plan(connection, row_filter, version, again=again, limit=limit)
    if not planned.found and (sentence := unknown_name(connection, row_filter)):
        raise ConsoleError(sentence)
    if not dry_run:
        with counting() as count:
            total = len(planned.orders)
            send_all(connection, planned.orders, RateLimiter(rate), lambda sent: count("enqueueing", sent, total))
    if as_json:
        print_json(reclassify_document(planned, version.ref, dry_run=dry_run))
    print_note(reclassify_sentence(planned, version.ref, dry_run=dry_run))
    if planned.orders and not dry_run:
        print_next(*(["results", *planned.batches] if len(planned.batches) == 1 else ["status"]), stack=stack)


def backfill(
    location: Annotated[str, typer.Argument(help="The bucket and prefix of the images.", metavar="s3://BUCKET/PREFIX")],
    manifest: Annotated[
        Path | None,
        typer.Option(help="Only the images in this file: a key per line, or JSON lines with Key.", metavar="FILE"),
    ] = None,
    job: Annotated[
        str | None,
        typer.Option(help="Name of the backfill and of its batch.", metavar="NAME", show_default="backfill-TIME"),
    ] = None,
    wait: Wait = False,
    bulk: Bulk = False,
    inventory: Inventory = None,
    archive: BulkArchive = None,
    rows: Rows = False,
    local: Local = None,
    shard_images: ShardImages = None,
    stack: Stack = None,
    as_json: AsJson = False,
) -> None:
    """Classify the images of an existing bucket; those that have a result are skipped."""
    if bulk:
        if manifest is not None or wait:
            raise ConsoleError(
                "--bulk takes no --manifest (name an --inventory, or a prefix), and always waits: leave --wait out.",
                EXIT_USAGE,
            )
        backfill_in_bulk(
            location, job=job, inventory=inventory, archive=archive, rows=rows, local=local, shard_images=shard_images,
            stack=stack, as_json=as_json,
        )  # fmt: skip
        return
    if inventory or archive or rows or local or shard_images:
        raise ConsoleError("--inventory, --archive, --rows, --local and --shard-images go with --bulk.", EXIT_USAGE)
    from podium.care.backfill import begin, check_whole, follow, look, read_missing, read_report
    from podium.connection import Connection
    from podium.shown.batch import show_watch
    from podium.shown.care import backfill_document, backfill_sentence, begun_sentences, enqueueing_note
    from podium.shown.console import print_json, print_next, print_note
    from podium.shown.progress import counting

    connection = Connection(stack)
    begun = begin(connection, location, manifest, job)
    for sentence in begun_sentences(begun, manifest):
        print_note(sentence)
    with counting() as count:
        last = follow(
            lambda: look(connection, begun.execution),
            lambda now: count("enqueueing", now.done, now.total, enqueueing_note(now)),
        )
    report = read_report(connection, begun.job)
    if as_json:
        print_json(backfill_document(begun.job, last, report))
    if report:
        print_note(backfill_sentence(report, read_missing(connection, begun.job) if report.missing else []))
    check_whole(connection, begun.job, last)
    if report and report.enqueued:
        if wait:
            show_watch(connection, begun.job)
        print_next("results" if wait else "watch", begun.job, stack=stack)


def reindex(stack: Stack = None, as_json: AsJson = False) -> None:
    """Give a stack of an older version today's indexes, and its rows the keys; on AWS, this deploys it up to seven times."""
    from podium.connection import Connection
    from podium.local.reindex import change_indexes, index_old_rows
    from podium.shown.console import print_json, print_note
    from podium.shown.progress import waiting

    connection = Connection(stack)
    with waiting("reading the table") as note:

        def index_rows() -> int:
            return index_old_rows(connection, lambda rows: note(f"{rows:,} rows are in the indexes now"))

        indexed = change_indexes(connection, index_rows, note) if stack else index_rows()
    if as_json:
        print_json({"indexed": indexed})
    print_note(
        f"{indexed:,} rows of an older version are in the indexes now." if indexed else "all rows are in the indexes."
    )
