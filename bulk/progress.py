"""How far a job is: the results that are there, and what they say about their images."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from bulk.job import Job
from pipeline.contracts import Record

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

LOOKS_AT_ONCE = 16
_SHARD = re.compile(r"/results/(\d+)\.parquet$")


class Tally(Record):
    """The images of the shards that are done, by state."""

    shards: int = 0
    classified: int = 0
    rejected: int = 0
    failed: int = 0

    @property
    def images(self) -> int:
        """All of them."""
        return self.classified + self.rejected + self.failed


def done_shards(s3: S3Client, bucket: str, job: Job) -> list[int]:
    """The shards that have a result."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=job.results_prefix)
    keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
    return [int(named[1]) for key in keys if (named := _SHARD.search(key))]


def tallies(s3: S3Client, bucket: str, job: Job) -> dict[int, Tally]:
    """What each result says, by shard; a request for each."""

    def look(shard: int) -> Tally:
        said = s3.head_object(Bucket=bucket, Key=job.result_key(shard))["Metadata"]
        return Tally(shards=1, **{state: int(said.get(state, 0)) for state in ("classified", "rejected", "failed")})

    shards = done_shards(s3, bucket, job)
    with ThreadPoolExecutor(LOOKS_AT_ONCE, thread_name_prefix="look") as pool:
        return dict(zip(shards, pool.map(look, shards), strict=True))


def total(found: dict[int, Tally]) -> Tally:
    """The sum."""
    return Tally(**{name: sum(getattr(it, name) for it in found.values()) for name in Tally.model_fields})


def to_do(job: Job, found: dict[int, Tally]) -> list[int]:
    """The shards without a result, and those with images that failed."""
    return [shard for shard in range(job.shards) if shard not in found or found[shard].failed]
