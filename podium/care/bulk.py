"""A bucket classified past the queue: its images are listed into shards, and children, one a shard, write Parquet.

s3://bucket/prefix, perhaps an S3 Inventory -> prepare: shards and a job -> children, here or in AWS Batch -> summarise

A job is begun once. The same command with the same name goes on with what has no result yet, and with what failed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bulk.inventory import objects_in, read_manifest
from bulk.job import PREFIX, BulkRefused, Job, read_job, write_job
from bulk.listing import objects_under
from bulk.progress import Tally, done_shards, tallies, to_do, total
from bulk.shards import write_shards
from pipeline.contracts import ModelFacts
from pipeline.model_here.archive import ArchiveRef
from podium.care.backfill import check_job
from podium.care.bulk_local import Processes, Share
from podium.care.source import Source, source_at
from podium.connection import Connection
from podium.errors import EXIT_USAGE, ConsoleError
from podium.project import LOGS
from podium.published import publish

if TYPE_CHECKING:
    import pyarrow as pa

PART_IMAGES = 2_000  # of a shard, written at once: what a child that dies may have to do again, some 20 seconds' work
SHARD_IMAGES = 100_000  # a child's: some 20 minutes on one vCPU


class Asked(NamedTuple):
    """What a person wants to be classified, and how."""

    location: str  # s3://bucket/prefix
    inventory: str | None = None
    archive: Path | None = None  # None: the stack's own
    rows: bool = False
    shard_images: int = SHARD_IMAGES


def job_for(connection: Connection, name: str | None, asked: Asked, on_shard: Callable[[int], None]) -> Job:
    """The job of this name, begun before or prepared now; `on_shard` hears how many images are in shards.

    ConsoleError for a name that a batch or another job has, and for what cannot be classified like this.
    """
    name = name or f"bulk-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    source = source_at(connection, asked.location)
    begun = read_job(connection.s3, connection.facts.results_bucket, name)
    if begun is None:
        check_job(connection, name)
        try:
            return _prepared(connection, name, source, asked, on_shard)
        except BulkRefused as refused:
            raise ConsoleError(str(refused), EXIT_USAGE) from refused
    if (begun.bucket, begun.prefix) != source:
        raise ConsoleError(
            f"there is a job {name!r} over s3://{begun.bucket}/{begun.prefix}: choose another name with --job.",
            EXIT_USAGE,
        )
    if asked.rows != begun.rows or asked.inventory not in (None, begun.inventory) or asked.archive is not None:
        raise ConsoleError(
            f"job {name!r} was begun {'with' if begun.rows else 'without'} --rows, of "
            f"{begun.inventory or 'a list of the bucket'}, with {begun.model.ref}: go on with it in the same way and without "
            "--archive, or choose another name with --job.",
            EXIT_USAGE,
        )
    return begun


def on_this_machine(connection: Connection, job: Job, processes: int, on_look: Callable[[int, int], None]) -> None:
    """Do what is left in so many processes; `on_look` hears how many shards are done, and how often a child was started.

    ConsoleError if a child cannot go on. Stopped in the middle, nothing is lost: do it again.
    """
    bucket = connection.facts.results_bucket
    here = Processes(bucket, job.name, child_environment(connection), LOGS / "bulk")

    def left(some: Sequence[int]) -> list[int]:
        wanted = set(some)
        return [shard for shard in to_do(job, tallies(connection.s3, bucket, job)) if shard in wanted]

    def look(shares: Sequence[Share]) -> None:
        on_look(len(done_shards(connection.s3, bucket, job)), sum(it.starts for it in shares))

    here.run(left(range(job.shards)), processes, left, on_look=look)


def child_environment(connection: Connection) -> dict[str, str]:
    """Of a child on this machine: the person's own, and what leads to the local stack."""
    found = dict(os.environ) | {"POWERTOOLS_SERVICE_NAME": f"{connection.stack}-bulk", "OMP_NUM_THREADS": "1"}
    return found | dict(connection.client_variables)


def summarise(connection: Connection, job: Job) -> tuple[Tally, list[int]]:
    """What became of the images, and the shards that are not done or have images that failed."""
    found = tallies(connection.s3, connection.facts.results_bucket, job)
    return total(found), to_do(job, found)


def _prepared(connection: Connection, name: str, source: Source, asked: Asked, on_shard: Callable[[int], None]) -> Job:
    facts = connection.facts
    archive, model = _archive(connection, asked.archive)
    images = shards = 0
    for shard, count in write_shards(
        connection.s3, facts.results_bucket, name, _objects(connection, source, asked), asked.shard_images
    ):
        images, shards = images + count, shard + 1
        on_shard(images)
    if not images:
        raise BulkRefused(f"there is no image under s3://{source.bucket}/{source.prefix}.")
    job = Job(
        name=name, bucket=source.bucket, prefix=source.prefix, inventory=asked.inventory, archive=archive, model=model,
        max_image_bytes=_max_image_bytes(connection), images=images, shards=shards, part_images=PART_IMAGES,
        rows=asked.rows, table=facts.table, created_at=datetime.now(UTC),
    )  # fmt: skip
    write_job(connection.s3, facts.results_bucket, job)
    return job


def _objects(connection: Connection, source: Source, asked: Asked) -> Iterator[pa.Table]:
    if asked.inventory is None:
        return objects_under(connection.s3, source.bucket, source.prefix)
    manifest = read_manifest(connection.s3, asked.inventory, source.bucket)
    return objects_in(connection.s3, manifest, source.prefix)


def _archive(connection: Connection, file: Path | None) -> tuple[ArchiveRef, ModelFacts]:
    """Where the children find the model: a file that is uploaded now, or the archive that the stack's functions load."""
    named: Mapping[str, str] = publish(connection, file) if file else connection.parameters
    if not named.get("ModelArchive"):
        raise ConsoleError(
            f"stack {connection.stack!r} names no archive of its own that a child could load: name one with --archive NAME.mar.",
            EXIT_USAGE,
        )
    archive = ArchiveRef(
        bucket=connection.facts.results_bucket, key=named["ModelArchive"], version_id=named["ModelArchiveVersion"],
        sha256=named["ModelArchiveSha256"],
    )  # fmt: skip
    return archive, ModelFacts(name=named["ModelName"], version=named["ModelVersion"])


def _max_image_bytes(connection: Connection) -> int:
    """As the stack's own function has it."""
    found = connection.lambda_client.get_function_configuration(FunctionName=connection.facts.function)
    return int(found["Environment"]["Variables"]["MAX_IMAGE_BYTES"])


def results_at(connection: Connection, job: Job) -> str:
    """Where the job's Parquet files lie."""
    return f"s3://{connection.facts.results_bucket}/{PREFIX}{job.name}/results/"
