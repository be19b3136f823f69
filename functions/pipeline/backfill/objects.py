"""An object of the bucket: as a list names it, and as it is now.

Found (a list's entry, or a key of a manifest) -> ImageRef, or None
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from botocore.exceptions import ClientError
from pydantic import BeforeValidator, Field

from pipeline.contracts import NOT_HANDED_OVER, ImageRef, Record
from pipeline.results.known_rows import KnownRow
from pipeline.results.same_upload import same_upload

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_Etag = Annotated[str | None, BeforeValidator(lambda etag: etag.strip('"') if isinstance(etag, str) else etag)]


class Found(Record):
    """An object as S3's list names it; one of a manifest has its key alone."""

    key: str = Field(alias="Key", min_length=1)
    size_bytes: int | None = Field(default=None, alias="Size")
    etag: _Etag = Field(default=None, alias="Etag")  # S3 puts it in quotes


def as_it_is(s3: S3Client, bucket: str, found: Found, row: KnownRow | None) -> ImageRef | None:
    """The object, without an event's version and sequencer; None when it is not there.

    A HEAD request is made if the list lacks facts, or if a row is about other bytes: the list may be older than the row.
    """
    if found.etag and found.size_bytes is not None:
        listed = ImageRef(bucket=bucket, key=found.key, etag=found.etag, size_bytes=found.size_bytes, sequencer="")
        if row is None or is_about(row, listed):
            return listed
    try:
        head = s3.head_object(Bucket=bucket, Key=found.key)
    except ClientError as error:
        match error.response["Error"]["Code"]:
            case "404" | "NoSuchKey":
                return None
            case (
                "400"
            ):  # 403 is a permission that somebody must give: the job says so, before a thousand dead letters do
                return as_listed(s3, bucket, found.key)
            case _:
                raise
    return ImageRef(
        bucket=bucket, key=found.key, etag=head["ETag"].strip('"'), size_bytes=head["ContentLength"], sequencer=""
    )


def as_listed(s3: S3Client, bucket: str, key: str) -> ImageRef | None:
    """The object as a list has it, if S3 does not show it alone: it is encrypted by its uploader's key.

    The classify function will meet the same refusal, and reject this one image with the reason.
    """
    first = s3.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1).get("Contents", [])  # no other key comes before it
    return next(
        (
            ImageRef(bucket=bucket, key=key, etag=it["ETag"].strip('"'), size_bytes=it["Size"], sequencer="")
            for it in first
            if it["Key"] == key
        ),
        None,
    )


def is_about(row: KnownRow, image: ImageRef) -> bool:
    """Whether the row is about these bytes; one of an image that S3 did not hand over is not: perhaps it does now."""
    return same_upload(image, row) and row.rejected_code not in NOT_HANDED_OVER
