"""An object of the bucket: as a list names it, and as it is now.

Found (a list's entry, or a key of a manifest) -> ImageRef, or None
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Annotated

from botocore.exceptions import ClientError
from pydantic import BeforeValidator, Field

from pipeline.contracts import NOT_HANDED_OVER, ImageRef, Record
from pipeline.queue.orders import SENT_AT_ONCE
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


def as_they_are(
    s3: S3Client, bucket: str, found: Mapping[str, Found], rows: Mapping[str, KnownRow]
) -> dict[str, ImageRef]:
    """The objects that are there, by URI, in the order of `found`, without an event's version and sequencer.

    A HEAD request is made if the list lacks facts, or if a row is about other bytes: the list may be older than the row.
    Raises ClientError if none of these requests is permitted: somebody must give the permission, and the job says so
    before a thousand images end in the dead-letter queue.
    """
    listed = {uri: image for uri, it in found.items() if (image := listed_anew(bucket, it, rows.get(uri)))}
    unlisted = {uri: it.key for uri, it in found.items() if uri not in listed}
    with ThreadPoolExecutor(SENT_AT_ONCE, thread_name_prefix="look") as pool:
        heads = dict(zip(unlisted, pool.map(lambda key: as_it_is(s3, bucket, key), unlisted.values()), strict=True))
    denied = {uri: it for uri, it in heads.items() if isinstance(it, ClientError)}
    if denied and len(denied) == len(heads):
        raise next(iter(denied.values()))
    shown = {uri: as_listed(s3, bucket, unlisted[uri]) if uri in denied else it for uri, it in heads.items()}
    images = listed | {uri: it for uri, it in shown.items() if isinstance(it, ImageRef)}
    return {uri: images[uri] for uri in found if uri in images}


def listed_anew(bucket: str, found: Found, row: KnownRow | None) -> ImageRef | None:
    """The object as the list that found it has it; None if that is not enough."""
    if not found.etag or found.size_bytes is None:
        return None
    listed = ImageRef(bucket=bucket, key=found.key, etag=found.etag, size_bytes=found.size_bytes, sequencer="")
    return listed if row is None or is_about(row, listed) else None


def as_it_is(s3: S3Client, bucket: str, key: str) -> ImageRef | ClientError | None:
    """The object as it is now; None when it is not there, the error when S3 forbids to look (403)."""
    try:
        head = s3.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        match error.response["Error"]["Code"]:
            case "404" | "NoSuchKey":
                return None
            case "400":
                return as_listed(s3, bucket, key)
            case "403":
                return error
            case _:
                raise
    return ImageRef(
        bucket=bucket, key=key, etag=head["ETag"].strip('"'), size_bytes=head["ContentLength"], sequencer=""
    )


def as_listed(s3: S3Client, bucket: str, key: str) -> ImageRef | None:
    """The object as a list has it, if S3 does not show it alone: it is encrypted by its uploader's key, or has a policy of its own.

    The classify function will meet the same refusal, and say the reason of this one image.
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
