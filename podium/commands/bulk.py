"""`podium backfill --bulk`: an existing bucket of any size, past the queue."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from podium.errors import EXIT_USAGE, ConsoleError

if TYPE_CHECKING:
    from bulk.job import Job
    from podium.care.bulk_batch import BulkStack
    from podium.connection import Connection
    from podium.shown.progress import OnCount

Bulk = Annotated[bool, typer.Option("--bulk", help="Past the queue, by children in AWS Batch or here: for 10 million images and more.")]  # fmt: skip
Inventory = Annotated[
    str | None,
    typer.Option(help="With --bulk: an S3 Inventory of the bucket; without it, the bucket is listed.", metavar="s3://.../manifest.json"),
]  # fmt: skip
BulkArchive = Annotated[
    Path | None, typer.Option("--archive", help="With --bulk: this archive, not the stack's own.", metavar="NAME.mar")
]
Rows = Annotated[bool, typer.Option("--rows", help="With --bulk: write the table's rows, too.")]
Local = Annotated[
    int | None, typer.Option("--local", min=1, help="With --bulk: so many processes on this machine.", metavar="N")
]
ShardImages = Annotated[
    int | None,
    typer.Option(min=1, help="With --bulk: images of a shard.", metavar="N", show_default="100000"),
]  # fmt: skip


def backfill_in_bulk(
    location: str, *, job: str | None, inventory: str | None, archive: Path | None, rows: bool, local: int | None,
    shard_images: int | None, stack: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Classify the bucket past the queue; a job that was begun goes on with what is left."""
    if find_spec("pyarrow") is None:
        raise ConsoleError("--bulk needs pyarrow, which this environment lacks: pip install -r requirements/bulk.txt.")
    from podium.care.bulk import SHARD_IMAGES, Asked, job_for, on_this_machine, results_at, summarise
    from podium.care.bulk_batch import bulk_stack
    from podium.connection import Connection
    from podium.shown.bulk import begun_sentence, bulk_document, bulk_sentence
    from podium.shown.console import print_json, print_note
    from podium.shown.progress import counting, waiting

    connection = Connection(stack)
    if connection.local and local is None:
        raise ConsoleError("the local stack has no AWS Batch: add --local N, or name a stack on AWS.", EXIT_USAGE)
    children = bulk_stack(connection) if local is None else None
    asked = Asked(location, inventory, archive, rows, shard_images or SHARD_IMAGES)
    with waiting("listing the images into shards") as note:
        found = job_for(connection, job, asked, lambda images: note(f"{images:,} images are in shards"))
    tally, left = summarise(connection, found)
    print_note(begun_sentence(found, len(left)))
    failed = []
    if left:
        with counting() as count:
            if children is None:
                on_this_machine(connection, found, local or 1, lambda done, starts: count("classifying", done, found.shards, f"shards, {starts} starts"))  # fmt: skip
            else:
                failed = _in_batch(connection, children, found, left, count)
        tally, left = summarise(connection, found)
    if as_json:
        print_json(bulk_document(found, tally, left, results_at(connection, found)))
    print_note(bulk_sentence(tally, results_at(connection, found)))
    if left:
        why = "".join(f" {reason}." for reason in failed)
        raise ConsoleError(
            f"of {found.shards:,} shards, {len(left):,} are not done or have images that failed.{why} The same command with "
            f"--job {found.name} does them again, and only them."
        )


def _in_batch(connection: Connection, stack: BulkStack, job: Job, left: list[int], count: OnCount) -> list[str]:
    """Follow what runs already, or else submit what is left; why children failed."""
    from podium.care.bulk_batch import Look, follow, look, reasons, running, submit

    ids = running(connection, stack, job) or submit(connection, stack, job, left)

    def show(now: Look) -> None:
        states = ", ".join(
            f"{children} {state.lower()}" for state, children in sorted(now.children.items()) if children
        )
        count("children", now.children["SUCCEEDED"], now.children.total(), states)

    ended = follow(lambda: look(connection, ids), show)
    return reasons(connection, ids) if ended.children["FAILED"] else []
