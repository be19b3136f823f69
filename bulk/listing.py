"""A bucket's list as tables of objects: for a bucket without an inventory. A thousand objects cost a request."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pyarrow as pa

from bulk.shards import OBJECTS
from pipeline.uploads import pages_of_uploads

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def objects_under(s3: S3Client, bucket: str, prefix: str) -> Iterator[pa.Table]:
    """The objects under the prefix as they are now, columns as OBJECTS, a page of the list at a time."""
    for page in pages_of_uploads(s3, bucket, prefix):
        images = [it.image for it in page.uploads]
        yield pa.table({name: [getattr(it, name) for it in images] for name in OBJECTS.names}, schema=OBJECTS)
