"""A bulk job at rest: what it classifies, with what, and where each of its objects lies in the results bucket.

bulk/JOB/job.json        written last of all preparation: a job that has it is whole
bulk/JOB/shards/N.parquet    the images of shard N
bulk/JOB/attempts/K.json     the shards that the children of submission K take, in the order of their array index
bulk/JOB/parts/N/P.parquet   what became of part P of shard N; gone when the shard is done
bulk/JOB/results/N.parquet   what became of every image of shard N
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from pipeline.contracts import ModelFacts, Record
from pipeline.model_here.archive import ArchiveRef

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PREFIX = "bulk/"
MOST_CHILDREN = 10_000  # of an array job: https://docs.aws.amazon.com/batch/latest/userguide/array_jobs.html


class BulkRefused(Exception):
    """The job cannot be done like this: the sentence says why and what to do. Trying again does not help."""


class Job(Record):
    """All that a child must know; the children of every attempt read the same."""

    name: str
    bucket: str
    prefix: str = ""
    inventory: str | None = None  # the manifest that named the images; else they were listed
    archive: ArchiveRef
    model: ModelFacts  # as its archive names it
    max_image_bytes: Annotated[int, Field(gt=0)]
    images: Annotated[int, Field(ge=0)]
    shards: Annotated[int, Field(ge=0)]
    part_images: Annotated[int, Field(gt=0)]
    rows: bool = False  # whether they are written into `table`, too
    table: str
    created_at: datetime

    def shard_key(self, shard: int) -> str:
        """Of the shard's images."""
        return shard_key(self.name, shard)

    def part_key(self, shard: int, part: int) -> str:
        """Of a part's outcomes."""
        return f"{self.parts_prefix(shard)}{part:05}.parquet"

    def parts_prefix(self, shard: int) -> str:
        """Of all of the shard's parts."""
        return f"{self.all_parts_prefix}{shard:06}/"

    @property
    def all_parts_prefix(self) -> str:
        """Of the parts of all shards."""
        return f"{PREFIX}{self.name}/parts/"

    @property
    def results_prefix(self) -> str:
        """Of the results of all shards."""
        return f"{PREFIX}{self.name}/results/"

    def result_key(self, shard: int) -> str:
        """Of the shard's outcomes; the shard is done when this object is there."""
        return f"{self.results_prefix}{shard:06}.parquet"


def shard_key(job: str, shard: int) -> str:
    """Of a shard's images."""
    return f"{PREFIX}{job}/shards/{shard:06}.parquet"


def write_job(s3: S3Client, bucket: str, job: Job) -> None:
    """Make the job whole."""
    document = job.model_dump_json(indent=2) + "\n"
    s3.put_object(Bucket=bucket, Key=_job_key(job.name), Body=document.encode(), ContentType="application/json")


def read_job(s3: S3Client, bucket: str, name: str) -> Job | None:
    """The job; None if there is none, or if its preparation did not come to its end."""
    try:
        response = s3.get_object(Bucket=bucket, Key=_job_key(name))
    except s3.exceptions.NoSuchKey:
        return None
    return Job.model_validate_json(response["Body"].read())


def write_attempt(s3: S3Client, bucket: str, job: Job, attempt: str, shards: Sequence[int]) -> None:
    """Write which shards the children of this submission take."""
    s3.put_object(
        Bucket=bucket, Key=_attempt_key(job.name, attempt), Body=json.dumps(list(shards)).encode(),
        ContentType="application/json",
    )  # fmt: skip


def shard_of_child(s3: S3Client, bucket: str, job: Job, attempt: str, index: int) -> int:
    """The shard of the child with this array index."""
    document = s3.get_object(Bucket=bucket, Key=_attempt_key(job.name, attempt))["Body"].read()
    shards: list[int] = json.loads(document)
    return shards[index]


def _job_key(name: str) -> str:
    return f"{PREFIX}{name}/job.json"


def _attempt_key(name: str, attempt: str) -> str:
    return f"{PREFIX}{name}/attempts/{attempt}.json"
