"""Tables of objects, cut into shards of a fixed size and written as Parquet; a shard is read a part at a time."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from bulk.job import Job, shard_key
from pipeline.contracts import ImageRef

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# One object to classify: which version of it, or without versions which bytes.
OBJECTS = pa.schema(
    [("key", pa.string()), ("version_id", pa.string()), ("etag", pa.string()), ("size_bytes", pa.int64())]
)


def write_shards(
    s3: S3Client, bucket: str, job: str, objects: Iterable[pa.Table], shard_images: int
) -> Iterator[tuple[int, int]]:
    """Write shard after shard; of each, its number and how many images it has. Memory holds one shard."""
    for number, shard in enumerate(cut(objects, shard_images)):
        s3.put_object(Bucket=bucket, Key=shard_key(job, number), Body=parquet_of(shard))
        yield number, shard.num_rows


def cut(tables: Iterable[pa.Table], size: int) -> Iterator[pa.Table]:
    """The same rows in the same order, `size` to a table; the last one may have fewer."""
    waiting: list[pa.Table] = []
    rows = 0
    for table in tables:
        rest = table
        while rest.num_rows:
            piece = rest.slice(0, size - rows)
            waiting.append(piece)
            rest, rows = rest.slice(piece.num_rows), rows + piece.num_rows
            if rows == size:
                yield pa.concat_tables(waiting)
                waiting, rows = [], 0
    if rows:
        yield pa.concat_tables(waiting)


def read_shard(s3: S3Client, bucket: str, job: Job, shard: int) -> pa.Table:
    """The objects of a shard, columns as OBJECTS."""
    return read_table(s3, bucket, job.shard_key(shard))


def read_table(s3: S3Client, bucket: str, key: str) -> pa.Table:
    """A table that lies in S3 as Parquet."""
    return pq.read_table(io.BytesIO(s3.get_object(Bucket=bucket, Key=key)["Body"].read()))


def parquet_of(table: pa.Table) -> bytes:
    """The table as a file of Parquet."""
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def images_of(objects: pa.Table, bucket: str) -> Iterator[ImageRef]:
    """The objects as the pipeline's records; their sequencer is not known, for only an upload's event names it."""
    for it in objects.select(OBJECTS.names).to_pylist():
        yield ImageRef(bucket=bucket, sequencer="", **it)
