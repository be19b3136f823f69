"""An existing bucket is classified: Step Functions lists it, a function puts its images on the queue, we look on.

source -> (manifest uploaded) -> machine started -> followed to its end -> what it wrote down
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from pipeline.batches.manifests import folder_of
from pipeline.contracts import INCOMING_PREFIX, Backfill
from podium.connection import Connection
from podium.errors import EXIT_USAGE, ConsoleError

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions.type_defs import DescribeMapRunOutputTypeDef

LOOK_EVERY_S = 2.0  # AWS allows 15 looks a second
_JOB = re.compile(r"[A-Za-z0-9._-]{1,80}")  # what can name an execution and a folder of keys
_LOCATION = re.compile(r"s3://(?P<bucket>[^/]+)/?(?P<prefix>.*)", re.DOTALL)


class Source(BaseModel):
    """Where the images lie."""

    model_config = ConfigDict(frozen=True)

    bucket: str
    prefix: str


class Run(BaseModel):
    """How far the machine is; its counts are of objects."""

    model_config = ConfigDict(frozen=True)

    status: str
    done: int = 0
    failed: int = 0
    total: int = 0  # grows while the bucket is being listed
    cause: str = ""

    @property
    def ended(self) -> bool:
        """Whether it will not go on."""
        return self.status not in {"RUNNING", "PENDING_REDRIVE"}


def source_at(connection: Connection, location: str) -> Source:
    """What `s3://bucket/prefix` means; ConsoleError for a bucket that the stack's functions may not read."""
    named = _LOCATION.fullmatch(location)
    if named is None:
        raise ConsoleError(f"{location!r} is no place in S3: write s3://bucket/prefix.", EXIT_USAGE)
    bucket, prefix = named["bucket"], named["prefix"]
    if bucket == connection.facts.input_bucket:
        prefix = prefix or INCOMING_PREFIX
        if not prefix.startswith(INCOMING_PREFIX):
            raise ConsoleError(
                f"only {INCOMING_PREFIX} of the input bucket is classified, and {prefix!r} does not lie there: "
                f"write s3://{bucket}/{INCOMING_PREFIX}...",
                EXIT_USAGE,
            )
        return Source(bucket=bucket, prefix=prefix)
    allowed = _existing_bucket(connection)
    if bucket != allowed:
        stack = "" if connection.local else f" --stack {connection.stack}"
        raise ConsoleError(
            f"stack {connection.stack!r} may not read the bucket {bucket!r}"
            + (f", only {allowed!r} and its own" if allowed else "")
            + f". Allow it with `podium deploy{stack} --parameter ExistingBucket={bucket}`, then do this again."
        )
    return Source(bucket=bucket, prefix=prefix)


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


def start(connection: Connection, job: str, source: Source, manifest_key: str | None) -> str:
    """Start the machine; the execution's ARN. AWS keeps a name from being used twice."""
    from botocore.exceptions import BotoCoreError, ClientError

    asked: dict[str, object] = {"job": job, "bucket": source.bucket}
    if manifest_key is None:
        asked["prefix"] = source.prefix
    else:
        asked["manifest"] = {"bucket": connection.facts.results_bucket, "key": manifest_key}
    machine = connection.stepfunctions
    try:
        return machine.start_execution(
            stateMachineArn=connection.facts.backfill_machine, name=job, input=json.dumps(asked)
        )["executionArn"]
    except machine.exceptions.ExecutionAlreadyExists as error:
        raise ConsoleError(
            f"a backfill {job!r} ran already, and AWS takes a name once in 90 days: choose another with --job.",
            EXIT_USAGE,
        ) from error
    except (ClientError, BotoCoreError) as error:
        raise ConsoleError(f"the backfill {job!r} was not started: {error}") from error


def look(connection: Connection, execution: str) -> Run:
    """How far the execution is."""
    machine = connection.stepfunctions
    described = machine.describe_execution(executionArn=execution)
    runs = [
        machine.describe_map_run(mapRunArn=run["mapRunArn"])
        for run in machine.list_map_runs(executionArn=execution).get("mapRuns", [])
    ]
    return Run(
        status=described["status"],
        done=sum(run["itemCounts"]["succeeded"] for run in runs),
        failed=sum(_failed(run) for run in runs),
        total=sum(run["itemCounts"]["total"] for run in runs),
        cause=described.get("cause") or described.get("error") or "",
    )


def follow(
    look: Callable[[], Run], on_look: Callable[[Run], None], *, sleep: Callable[[float], None] = time.sleep
) -> Run:
    """Look until the execution ended; its last state. Whoever stops looking does not stop the machine."""
    while not (run := look()).ended:
        on_look(run)
        sleep(LOOK_EVERY_S)
    on_look(run)
    return run


def report_of(connection: Connection, job: str) -> Backfill | None:
    """What the job wrote down at its end; None when it did not come so far."""
    try:
        answer = connection.s3.get_object(Bucket=connection.facts.results_bucket, Key=f"{folder_of(job)}backfill.json")
    except connection.s3.exceptions.NoSuchKey:
        return None
    return Backfill.model_validate_json(answer["Body"].read())


def check_whole(connection: Connection, job: str, run: Run) -> None:
    """ConsoleError when the machine did not come to its end, or something could not be put on the queue."""
    if run.status != "SUCCEEDED":
        raise ConsoleError(f"backfill {job!r} has {run.status.lower()}. {run.cause}".rstrip())
    if run.failed:
        raise ConsoleError(
            f"{run.failed} of {run.total} objects could not be put on the queue; the log of the function "
            f"{connection.facts.stack}-backfill says why. Start another backfill of the same images: what has a result "
            "is skipped."
        )


def _existing_bucket(connection: Connection) -> str | None:
    """The bucket of the template's parameter; None without one."""
    stack = connection.cloudformation.describe_stacks(StackName=connection.stack)["Stacks"][0]
    values = {it["ParameterKey"]: it.get("ParameterValue", "") for it in stack.get("Parameters", [])}
    return values.get("ExistingBucket") or None


def _failed(run: DescribeMapRunOutputTypeDef) -> int:
    counts = run["itemCounts"]
    return counts["failed"] + counts["timedOut"] + counts["aborted"]
