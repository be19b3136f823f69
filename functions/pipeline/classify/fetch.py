"""An image's bytes: of the very version that was uploaded, and only when a model could look at them."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from pipeline.classify.formats import HEAD_BYTES, READABLE, looks_like
from pipeline.contracts import ImageRef
from pipeline.errors import ImageRejected

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef

_GONE = {
    "NoSuchKey": "was deleted before it was classified",
    "NoSuchVersion": "was deleted for good before it was classified",
    "MethodNotAllowed": "is a delete marker, not an image",
    "PreconditionFailed": "was overwritten before it was classified; the newer upload has its own message",
    "InvalidObjectState": "lies in an archive storage class; restore it, then upload or copy it again",
}


def fetch(image: ImageRef, s3: S3Client, *, max_bytes: int) -> bytes:
    """The bytes of that version of that object.

    ImageRejected when no model could ever look at it; anything else that S3 says (no permission, slow down)
    propagates, for it may be different later. What is not an image costs one GET of its first bytes.
    """
    _check_worth_a_request(image, max_bytes)
    answer = _get(image, s3)
    with closing(answer["Body"]) as body:
        head = body.read(HEAD_BYTES)
        _check_format(head)
        return head + body.read()


def _check_worth_a_request(image: ImageRef, max_bytes: int) -> None:
    if image.key.endswith("/"):
        raise ImageRejected("folder_marker", f"{image.key!r} is the marker of a folder, not an image.")
    if image.size_bytes == 0:
        raise ImageRejected("empty", "The file is empty (0 bytes): upload it again.")
    if image.size_bytes > max_bytes:
        raise ImageRejected(
            "too_large",
            f"The file has {_megabytes(image.size_bytes)}, and at most {_megabytes(max_bytes)} are classified: "
            "upload a smaller copy.",
        )


def _get(image: ImageRef, s3: S3Client) -> GetObjectOutputTypeDef:
    try:
        if image.version_id is not None:
            return s3.get_object(Bucket=image.bucket, Key=image.key, VersionId=image.version_id)
        if image.etag is not None:
            return s3.get_object(Bucket=image.bucket, Key=image.key, IfMatch=f'"{image.etag}"')
        return s3.get_object(Bucket=image.bucket, Key=image.key)
    except ClientError as error:
        why = _GONE.get(error.response["Error"]["Code"])
        if why is None:
            raise
        raise ImageRejected("gone", f"The image {why}.") from error


def _check_format(head: bytes) -> None:
    kind = looks_like(head)
    if kind not in READABLE:
        formats = f"{', '.join(READABLE[:-1])} or {READABLE[-1]}"
        raise ImageRejected(
            "unsupported_format", f"The file looks like {kind}: save it as {formats} and upload it again."
        )


def _megabytes(size_bytes: int) -> str:
    """The size as a person reads it; whole bytes too, for 10.0 MB may be larger than 10.0 MB."""
    return f"{size_bytes / 1_000_000:.1f} MB ({size_bytes:,} bytes)"
