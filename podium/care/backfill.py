"""An existing bucket is classified: Step Functions lists it, a function puts its images on the queue, the console watches.

s3://bucket/prefix, perhaps a file of keys -> begin -> follow the execution to its end -> read_report
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pydantic import BaseModel, ConfigDict

from pipeline.backfill.tallies import missing_images
from pipeline.batches.manifests import folder_of
from pipeline.contracts import Backfill
from podium.aws_errors import sentence_of
from podium.care.source import Source, source_at, upload_keys
from podium.connection import Connection
from podium.errors import EXIT_USAGE, ConsoleError

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions.type_defs import DescribeMapRunOutputTypeDef

MISSING_NAMED = 5
LOOK_EVERY_S = 2.0  # AWS allows 15 looks a second
_JOB = re.compile(r"[A-Za-z0-9._-]{1,80}")  # what can name an execution and a folder of keys


class Begun(NamedTuple):
    """A backfill that was started."""

    job: str  # its name, and its batch's
    source: Source
    named: int | None  # images in the file of keys; None without a file
    execution: str  # ARN


class Execution(BaseModel):
    """How far the machine is; its counts are of objects."""

    model_config = ConfigDict(frozen=True)

    status: str
    done: int = 0
    failed: int = 0
    total: int = 0  # grows while the bucket is being listed
    cause: str = ""
    waiting: int = 0  # messages on the queue
    pauses_above: int | None = None  # so many of them

    @property
    def pause(self) -> str:
        """Why no image goes on the queue at the moment; empty if they do."""
        if self.ended or self.pauses_above is None or self.waiting <= self.pauses_above:
            return ""
        return f"paused: {self.waiting:,} messages wait on the queue; it goes on when {self.pauses_above:,} or fewer do"

    @property
    def ended(self) -> bool:
        """Whether it will not go on."""
        return self.status not in {"RUNNING", "PENDING_REDRIVE"}


def begin(connection: Connection, location: str, manifest: Path | None, job: str | None) -> Begun:
    """Start the backfill of `s3://bucket/prefix`, or of the keys in `manifest`; without `job` its name is the time."""
    source = source_at(connection, location)
    job = job or f"backfill-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    check_job(connection, job)
    if manifest is None:
        return Begun(job, source, None, start(connection, job, source, None))
    key, named = upload_keys(connection, manifest, source, job)
    return Begun(job, source, named, start(connection, job, source, key))


def check_job(connection: Connection, job: str) -> None:
    """ConsoleError for a name that no job can have, or that a batch has already."""
    if not _JOB.fullmatch(job) or job in {".", ".."}:
        raise ConsoleError(
            f"{job!r} cannot name a backfill: use at most 80 letters, digits, '.', '_' and '-'.", EXIT_USAGE
        )
    found = connection.s3.list_objects_v2(
        Bucket=connection.facts.results_bucket, Prefix=f"{folder_of(job)}manifest/", MaxKeys=1
    )
    if found["KeyCount"]:
        raise ConsoleError(f"there is a batch {job!r} already: choose another name with --job.", EXIT_USAGE)


def start(connection: Connection, job: str, source: Source, keys_at: str | None) -> str:
    """Start the machine; the execution's ARN. AWS keeps a name from being used twice."""
    from botocore.exceptions import BotoCoreError, ClientError

    request: dict[str, object] = {"job": job, "bucket": source.bucket}
    if keys_at is None:
        request["prefix"] = source.prefix
    else:
        request["manifest"] = {"bucket": connection.facts.results_bucket, "key": keys_at}
    machine = connection.stepfunctions
    try:
        return machine.start_execution(
            stateMachineArn=connection.facts.backfill_machine, name=job, input=json.dumps(request)
        )["executionArn"]
    except machine.exceptions.ExecutionAlreadyExists as error:
        raise ConsoleError(
            f"a backfill {job!r} ran already, and AWS takes a name once in 90 days: choose another with --job.",
            EXIT_USAGE,
        ) from error
    except (ClientError, BotoCoreError) as error:
        raise ConsoleError(f"the backfill {job!r} was not started: {sentence_of(error)}") from error


def look(connection: Connection, execution: str) -> Execution:
    """How far the execution is."""
    machine = connection.stepfunctions
    described = machine.describe_execution(executionArn=execution)
    runs = [
        machine.describe_map_run(mapRunArn=run["mapRunArn"])
        for run in machine.list_map_runs(executionArn=execution).get("mapRuns", [])
    ]
    return Execution(
        status=described["status"],
        done=sum(run["itemCounts"]["succeeded"] for run in runs),
        failed=sum(_failed(run) for run in runs),
        total=sum(run["itemCounts"]["total"] for run in runs),
        cause=described.get("cause") or described.get("error") or "",
        waiting=sum(connection.message_counts(connection.facts.queue_url)),
        pauses_above=connection.facts.backfill_pauses_above,
    )


def follow(
    look: Callable[[], Execution], on_look: Callable[[Execution], None], *, sleep: Callable[[float], None] = time.sleep
) -> Execution:
    """Look until the execution has ended; its last state. The machine goes on if the console stops looking."""
    while not (now := look()).ended:
        on_look(now)
        sleep(LOOK_EVERY_S)
    on_look(now)
    return now


def read_report(connection: Connection, job: str) -> Backfill | None:
    """The report that the job wrote at its end; None if it did not come to its end."""
    try:
        response = connection.s3.get_object(
            Bucket=connection.facts.results_bucket, Key=f"{folder_of(job)}backfill.json"
        )
    except connection.s3.exceptions.NoSuchKey:
        return None
    return Backfill.model_validate_json(response["Body"].read())


def read_missing(connection: Connection, job: str) -> list[str]:
    """The first images that the job's manifest named and that were not there."""
    return missing_images(connection.s3, connection.facts.results_bucket, job, MISSING_NAMED)


def check_whole(connection: Connection, job: str, last: Execution) -> None:
    """ConsoleError when the machine did not come to its end, or could not put every object on the queue."""
    if last.status != "SUCCEEDED":
        raise ConsoleError(f"backfill {job!r} has {last.status.lower()}. {last.cause}".rstrip())
    if last.failed:
        raise ConsoleError(
            f"{last.failed} of {last.total} objects could not be put on the queue; the log of the function "
            f"{connection.facts.stack}-backfill says why. Start another backfill of the same images: those that have "
            "a result are skipped."
        )


def _failed(run: DescribeMapRunOutputTypeDef) -> int:
    counts = run["itemCounts"]
    return counts["failed"] + counts["timedOut"] + counts["aborted"]
