"""One shard, from its images to its result. Killed at any moment and started again, it loses nothing and doubles nothing.

shard -> parts (each an object, written whole when its images are done) -> one result -> the parts go

A part that is there is done; a result that is there makes the shard done. Names are a function of shard and part alone, so
whoever does a part again, or at the same time, replaces an object by one that says the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from bulk.images import Ask, read_image, results_of
from bulk.job import BulkRefused, Job
from bulk.outcomes import OUTCOMES, Failure, Outcome, counts_of, table_of
from bulk.rows import Rows
from bulk.shards import images_of, parquet_of, read_shard, read_table
from pipeline.contracts import Classification, ImageRef
from pipeline.results.store import Store

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

OnPart = Callable[[int, int], None]  # images that are done, of how many
MOST_DELETED = 1_000  # by one request


@dataclass(frozen=True)
class Child:
    """What a child works with; one process may do several shards, one after another."""

    s3: S3Client
    dynamodb: DynamoDBClient
    results_bucket: str
    job: Job
    ask: Ask

    def do(self, shard: int, on_part: OnPart = lambda *_: None) -> dict[str, int]:
        """Bring the shard to its result, from wherever it is; how many images are in each state."""
        result = self._result(shard)
        if result is None:
            objects = read_shard(self.s3, self.results_bucket, self.job, shard)
            self._do_parts(shard, objects, on_part)
            counts = self._merge(shard, objects.num_rows)
        elif counts_of(result).get("failed"):
            counts = self._mend(shard, result)
        else:
            counts = counts_of(result)
        self._clear_parts(shard)
        return counts

    def _do_parts(self, shard: int, objects: pa.Table, on_part: OnPart) -> None:
        done, size = set(self._part_keys(shard)), self.job.part_images
        for part, first in enumerate(range(0, objects.num_rows, size)):
            key = self.job.part_key(shard, part)
            piece = objects.slice(first, size)
            if key not in done:
                self._put(key, table_of(self._outcomes(shard, list(images_of(piece, self.job.bucket)))))
            on_part(first + piece.num_rows, objects.num_rows)

    def _outcomes(self, shard: int, images: Sequence[ImageRef]) -> list[Outcome]:
        read = partial(read_image, self.s3, job=self.job.name, max_bytes=self.job.max_image_bytes)
        results = list(results_of(images, read, self.ask, self.job.model))
        failures = [it for it in results if isinstance(it, Failure)]
        if len(failures) == len(results) and not self._anything_done():
            raise BulkRefused(f"S3 handed over none of {len(results)} images. The first: {failures[0].reason}")
        return self._with_rows(shard, results)

    def _with_rows(self, shard: int, results: Sequence[Classification | Failure]) -> list[Outcome]:
        if not self.job.rows:
            return [Outcome(it) for it in results]
        store = Store(self.s3, self.dynamodb, self.results_bucket, self.job.table, input_bucket=self.job.bucket)
        return Rows(store, self.job.model, self.job.name, self.job.result_key(shard)).write(results)

    def _merge(self, shard: int, images: int) -> dict[str, int]:
        """Make one result of the parts."""
        parts = [read_table(self.s3, self.results_bucket, key) for key in self._part_keys(shard)]
        result = pa.concat_tables(parts)
        if result.num_rows != images:
            raise RuntimeError(f"shard {shard} has {images} images, and its parts have {result.num_rows}")
        return self._put_result(shard, result)

    def _mend(self, shard: int, result: pa.Table) -> dict[str, int]:
        """Do the images that failed once more, in their places."""
        failed = pc.equal(result["status"], "failed")
        again = self._outcomes(shard, list(images_of(result.filter(failed), self.job.bucket)))
        places = failed.to_pylist()
        anew = iter(table_of(again).to_pylist())
        old = iter(result.filter(pc.invert(failed)).to_pylist())
        mended = pa.Table.from_pylist([next(anew) if it else next(old) for it in places], schema=OUTCOMES)
        return self._put_result(shard, mended)

    def _result(self, shard: int) -> pa.Table | None:
        try:
            return read_table(self.s3, self.results_bucket, self.job.result_key(shard))
        except self.s3.exceptions.NoSuchKey:
            return None

    def _put_result(self, shard: int, result: pa.Table) -> dict[str, int]:
        counts = counts_of(result)
        said = {state: str(count) for state, count in counts.items()}
        self._put(self.job.result_key(shard), result, said)
        return counts

    def _put(self, key: str, table: pa.Table, said: dict[str, str] | None = None) -> None:
        self.s3.put_object(Bucket=self.results_bucket, Key=key, Body=parquet_of(table), Metadata=said or {})

    def _anything_done(self) -> bool:
        """Whether any child has written anything: then S3 refuses these images, and not the whole job."""
        return any(
            self.s3.list_objects_v2(Bucket=self.results_bucket, Prefix=prefix, MaxKeys=1)["KeyCount"]
            for prefix in (self.job.results_prefix, self.job.all_parts_prefix)
        )

    def _part_keys(self, shard: int) -> list[str]:
        """Of the parts that are done, in their order."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.results_bucket, Prefix=self.job.parts_prefix(shard)
        )
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def _clear_parts(self, shard: int) -> None:
        keys = self._part_keys(shard)
        for first in range(0, len(keys), MOST_DELETED):
            some = [{"Key": key} for key in keys[first : first + MOST_DELETED]]
            self.s3.delete_objects(Bucket=self.results_bucket, Delete={"Objects": some, "Quiet": True})  # type: ignore[typeddict-item]
