"""From images to their bytes: those of the very version that was uploaded, and only of what a model could read."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from pipeline.classify.clock import Clock, outcome_of
from pipeline.classify.encodings import GZIP_MAGIC, NotDecoded, Readable, is_compressed, unpacked
from pipeline.classify.formats import HEAD_BYTES, READABLE, looks_like  # links to inference/images/
from pipeline.classify.images import Answered, Await, Fetched, Finished
from pipeline.classify.refusals import refusal_in
from pipeline.contracts import ImageRef, Order, Timings
from pipeline.errors import ImageRejected

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef

FETCHING_S = 10.0  # S3's client gives up a try after 5 s, and makes two; one that is slower does not hold up the others
FETCHED_TOO_LATE = "S3 did not hand over the image in the time that its neighbours could wait"


@dataclass(frozen=True)
class Fetches:
    """What became of images in the time for fetching."""

    images: list[Fetched] = field(default_factory=list)
    rejected: dict[Order, Answered | Await] = field(default_factory=dict)
    failed: dict[Order, Finished | BaseException] = field(default_factory=dict)


@dataclass(frozen=True)
class Fetcher:
    """Fetches the images of one SQS batch; threads share it."""

    s3: S3Client
    max_bytes: int
    clock: Clock
    pool: Executor

    def fetch_all(self, orders: Sequence[Order]) -> Fetches:
        """Fetch all of them concurrently; one that takes longer than FETCHING_S has failed, and is not waited for."""
        keep_s = max(0.0, self.clock.left_s() - FETCHING_S)
        fetching = {order: self.pool.submit(self.fetch, order) for order in orders}
        fetches = Fetches()
        for order, future in fetching.items():
            match outcome_of(future, self.clock, keep_s=keep_s, too_late=FETCHED_TOO_LATE):
                case Fetched() as image:
                    fetches.images.append(image)
                case Answered() as rejected:
                    fetches.rejected[order] = rejected
                case problem:
                    fetches.failed[order] = problem
        return fetches

    def fetch(self, order: Order) -> Fetched | Answered:
        """The image with its bytes, or its rejection."""
        began_at, began_s = self.clock.now(), self.clock.elapsed_s()
        try:
            data = fetch(order.image, self.s3, max_bytes=self.max_bytes)
        except ImageRejected as rejected:
            fetch_ms = self.clock.ms_since(began_s)
            return Answered(order, rejected, began_at, Timings(fetch_ms=fetch_ms, predict_ms=0))
        return Fetched(order, data, began_at, self.clock.ms_since(began_s))


def fetch(image: ImageRef, s3: S3Client, *, max_bytes: int) -> bytes:
    """The bytes of that version of that object, without its Content-Encoding.

    ImageRejected when no model could ever read it, ImageUnavailable when an operator must allow it; any other error of S3
    (slow down) propagates, for it may be different later. What is not an image costs one GET of its first bytes, unless
    it is compressed and of an unknown kind.
    """
    _check_worth_a_request(image, max_bytes)
    stored = _get(image, s3)
    with closing(stored["Body"]) as body:
        head = body.read(HEAD_BYTES)
        try:
            if is_compressed(stored.get("ContentEncoding"), head, is_image=looks_like(head) in READABLE):
                return _unpack(head, body, max_bytes)
        except NotDecoded as error:
            raise ImageRejected(error.code, str(error)) from error
        _check_format(head)
        return head + body.read()


def _unpack(head: bytes, body: Readable, max_bytes: int) -> bytes:
    """The image in gzip bytes."""
    with unpacked(head, body, max_bytes) as content:
        start = content.read(HEAD_BYTES)
        if not start:
            raise ImageRejected("empty", "The file is compressed with gzip and empty (0 bytes): upload it again.")
        if start.startswith(GZIP_MAGIC):
            raise ImageRejected(
                "unsupported_format", "The file is compressed with gzip twice: unpack it and upload the photo itself."
            )
        if looks_like(start) is not None:
            _check_format(start)  # at once, whatever its size
        image = start + content.read(max_bytes)
        _check_format(start)  # of what nobody knows, the size counts first: a bomb is called one
        return image


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
        refusal = refusal_in(error)
        if refusal is None:
            raise
        raise refusal from error


def _check_format(head: bytes) -> None:
    if head.startswith(GZIP_MAGIC):
        raise ImageRejected(
            "unsupported_format",
            "The file is compressed with gzip: unpack it and upload it again, or upload it with Content-Encoding: gzip.",
        )
    kind = looks_like(head)
    if kind not in READABLE:
        kind = kind or f"no kind of file that we know (it begins with {head[:8].hex(' ')})"
        raise ImageRejected(
            "unsupported_format", f"The file looks like {kind}: save it as JPEG or PNG and upload it again."
        )


def _megabytes(size_bytes: int) -> str:
    """The size as a person reads it; whole bytes too, for 10.0 MB may be larger than 10.0 MB."""
    return f"{size_bytes / 1_000_000:.1f} MB ({size_bytes:,} bytes)"
