"""A child: `python -m bulk RESULTS_BUCKET JOB --shard N` here, `... --attempt K` in AWS Batch, which says the child's index.

Exit codes: 0 done; 1 failed, and worth another try; 2 refused: the same would happen again.
"""

from __future__ import annotations

import argparse
import os
import sys
from functools import partial

import boto3
import pyarrow as pa
from botocore.config import Config

from bulk.child import Child
from bulk.images import FETCHES_AT_ONCE
from bulk.job import BulkRefused, read_job, shard_of_child
from bulk.rows import WRITES_AT_ONCE
from pipeline.errors import ModelUnavailable
from pipeline.model_here.archive import fetch
from pipeline.model_here.model import ModelHere
from pipeline.telemetry import logger

ARRAY_INDEX = "AWS_BATCH_JOB_ARRAY_INDEX"  # AWS Batch sets it in the children of an array job
LOAD_S = 600.0
# Nothing stands behind a child that tries again sooner: botocore does, and slows down with S3 and the table.
CLIENTS = Config(
    connect_timeout=5,
    read_timeout=30,
    retries={"total_max_attempts": 8, "mode": "standard"},
    max_pool_connections=max(FETCHES_AT_ONCE, WRITES_AT_ONCE),
)


def main(arguments: list[str] | None = None) -> int:
    """Do the shards."""
    asked = parser().parse_args(arguments)
    try:
        work(asked)
    except BulkRefused as refused:
        logger.error("refused", reason=str(refused))
        return 2
    return 0


def work(asked: argparse.Namespace) -> None:
    """Do the shards. BulkRefused: no try will do them. ModelUnavailable: this one cannot go on, another one may."""
    pa.set_cpu_count(1)  # a child has one
    s3 = boto3.client("s3", config=CLIENTS)
    job = read_job(s3, asked.bucket, asked.job)
    if job is None:
        raise BulkRefused(f"there is no job {asked.job!r} in {asked.bucket}.")
    shards = asked.shard or [
        shard_of_child(s3, asked.bucket, job, asked.attempt, int(os.environ.get(ARRAY_INDEX, "0")))
    ]
    model = ModelHere(partial(fetch, s3, job.archive))
    try:
        _load(model)
        child = Child(s3, boto3.client("dynamodb", config=CLIENTS), asked.bucket, job, model.ask)
        for shard in shards:
            counts = child.do(shard, partial(_log_part, shard))
            logger.info("shard done", shard=shard, extra=counts)
    finally:
        model.close()


def _load(model: ModelHere) -> None:
    """Load it: one that cannot serve ends the child before an image is fetched."""
    try:
        model.ask([], budget_s=LOAD_S)
    except ModelUnavailable as problem:
        raise BulkRefused(str(problem)) from problem


def _log_part(shard: int, images: int, of: int) -> None:
    logger.info("part done", shard=shard, images=images, of=of)


def parser() -> argparse.ArgumentParser:
    """What a child is given."""
    told = argparse.ArgumentParser(prog="python -m bulk", description="Classify shards of a bulk job.")
    told.add_argument("bucket", help="the results bucket, with the job in it")
    told.add_argument("job")
    which = told.add_mutually_exclusive_group(required=True)
    which.add_argument("--shard", type=int, action="append", help="this shard; may be repeated")
    which.add_argument("--attempt", help="the shard that this attempt's list gives to the child's index")
    return told


if __name__ == "__main__":
    sys.exit(main())
