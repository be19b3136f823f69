"""Children of a bulk job in AWS Batch: an array job for up to 10,000 shards, submitted to the queue of the stack NAME-bulk.

stack NAME-bulk -> its queue and job definition -> submit what is left -> follow -> why children failed
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import batched
from typing import Any, NamedTuple

from bulk.job import MOST_CHILDREN, Job, write_attempt
from podium.connection import Connection
from podium.errors import ConsoleError

LOOK_EVERY_S = 15.0
ENDED = frozenset({"SUCCEEDED", "FAILED"})
REASONS = 3  # of failed children, named
JOBS_DESCRIBED = 100  # by one request


class BulkStack(NamedTuple):
    """Where children are submitted, and what they run."""

    queue: str  # ARN
    definition: str  # ARN, without its revision: the latest


class Look(NamedTuple):
    """How many children of all submissions are in which state, and whether any will go on."""

    children: Counter[str]
    ended: bool


def bulk_stack(connection: Connection) -> BulkStack:
    """The stack of bulk/bulk-stack.yaml beside this one; ConsoleError, with the command that makes it, if there is none."""
    from botocore.exceptions import ClientError

    name = f"{connection.stack}-bulk"
    try:
        [stack] = connection.cloudformation.describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        if error.response["Error"].get("Code") != "ValidationError":
            raise
        raise ConsoleError(
            f"there is no stack {name!r}: docs/bulk.md says how bulk/bulk-stack.yaml is deployed. "
            "`--local N` runs the children on this machine."
        ) from error
    outputs = {it["OutputKey"]: it["OutputValue"] for it in stack.get("Outputs", [])}
    if "JobQueue" not in outputs:
        raise ConsoleError(f"stack {name!r} is {stack['StackStatus']}: deploy bulk/bulk-stack.yaml whole first.")
    return BulkStack(outputs["JobQueue"], outputs["JobDefinition"])


def submit(connection: Connection, stack: BulkStack, job: Job, shards: Sequence[int]) -> list[str]:
    """Submit a child for each shard; the ids of the array jobs."""
    submitted = []
    now = f"{datetime.now(UTC):%Y%m%d-%H%M%S}"
    for number, some in enumerate(batched(shards, MOST_CHILDREN, strict=False)):
        attempt = f"{now}-{number}"
        write_attempt(connection.s3, connection.facts.results_bucket, job, attempt, some)
        array = {"arrayProperties": {"size": len(some)}} if len(some) > 1 else {}  # an array has two children or more
        response = connection.batch.submit_job(
            jobName=job.name, jobQueue=stack.queue, jobDefinition=stack.definition,
            parameters={"job": job.name, "attempt": attempt}, **array,
        )  # fmt: skip
        submitted.append(response["jobId"])
    return submitted


def running(connection: Connection, stack: BulkStack, job: Job) -> list[str]:
    """The ids of the job's submissions that have not ended."""
    pages = connection.batch.get_paginator("list_jobs").paginate(
        jobQueue=stack.queue, filters=[{"name": "JOB_NAME", "values": [job.name]}]
    )
    return [it["jobId"] for page in pages for it in page["jobSummaryList"] if it["status"] not in ENDED]


def look(connection: Connection, ids: Sequence[str]) -> Look:
    """How far the submissions are."""
    children: Counter[str] = Counter()
    ended = True
    for some in batched(ids, JOBS_DESCRIBED, strict=False):
        for it in connection.batch.describe_jobs(jobs=list(some))["jobs"]:
            children.update(it.get("arrayProperties", {}).get("statusSummary") or {it["status"]: 1})
            ended = ended and it["status"] in ENDED
    return Look(children, ended)


def follow(
    look: Callable[[], Look], on_look: Callable[[Look], None], *, sleep: Callable[[float], None] = time.sleep
) -> Look:
    """Look until every child has ended; the children go on if the console stops looking."""
    while not (now := look()).ended:
        on_look(now)
        sleep(LOOK_EVERY_S)
    on_look(now)
    return now


def reasons(connection: Connection, ids: Sequence[str]) -> list[str]:
    """Why children failed, the most frequent first."""
    found: Counter[str] = Counter()
    for job_id in ids:
        for it in _failed(connection, job_id):
            container = it.get("container", {})
            code = f"exit code {container['exitCode']}" if "exitCode" in container else ""
            found[container.get("reason") or code or it.get("statusReason") or "AWS Batch says no reason"] += 1
    return [f"{reason} ({count} children)" for reason, count in found.most_common(REASONS)]


def _failed(connection: Connection, job_id: str) -> list[dict[str, Any]]:
    """The children of an array job that failed, at most a page of them; or the one job itself."""
    failed: list[dict[str, Any]] = connection.batch.list_jobs(arrayJobId=job_id, jobStatus="FAILED")["jobSummaryList"]
    if failed:
        return failed
    return [it for it in connection.batch.describe_jobs(jobs=[job_id])["jobs"] if it["status"] == "FAILED"]
