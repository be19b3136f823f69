"""A batch is a prefix: the files are planned, uploaded, and written down as the images that the batch expects.

plan_uploads -> drop: upload -> expect
"""

from __future__ import annotations

import mimetypes
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.batches.ledger import Ledger
from pipeline.batches.manifests import IMAGES_PER_PART, expected_images, part_keys, read_parts, revision_of, write_part
from pipeline.batches.outcomes import ExpectedUpload
from pipeline.contracts import INCOMING_PREFIX, ExpectedImage, ManifestPart
from pipeline.uploads import pages_of_uploads
from podium.aws_errors import sentence_of
from podium.batches.keys import why_not_made
from podium.connection import Connection
from podium.errors import EXIT_USAGE, ConsoleError
from training.data.walking import is_clutter
from training.errors import machine_sentence, why
from training.files import why_no_file

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

UPLOADS_AT_ONCE = 16
MAX_NAME_BYTES = 200  # of a batch: its name is a part of many keys


@dataclass(frozen=True)
class PlannedUpload:
    """A file, and the key that it gets."""

    path: Path
    key: str

    @property
    def batch(self) -> str:
        """The name of the batch that the key is in."""
        return self.key.removeprefix(INCOMING_PREFIX).partition("/")[0]


def can_name_batch(batch: str) -> bool:
    """Whether a batch of that name can be dropped; other tools may have made others."""
    if not batch.strip() or "/" in batch or batch in {".", ".."} or why_not_made(batch):
        return False
    return len(batch.encode()) <= MAX_NAME_BYTES


def plan_uploads(paths: Sequence[Path], batch: str) -> list[PlannedUpload]:
    """The files under these paths and their keys; a folder keeps its inner structure; hidden files, and what systems
    leave among photos, are left out.

    Raises ConsoleError for an impossible name of batch or file, and when two files would get one key.
    """
    if not can_name_batch(batch):
        raise ConsoleError(
            f"{batch!r} cannot name a batch: use a plain word without '/', at most {MAX_NAME_BYTES} bytes long, "
            "such as monday.",
            EXIT_USAGE,
        )
    planned: dict[str, Path] = {}
    for path in paths:
        for file, name in _files(path):
            key = f"{INCOMING_PREFIX}{batch}/{name}"
            if why := why_not_made(key):
                raise ConsoleError(f"{str(file)!r} cannot name an image in S3: {why}. Rename it.", EXIT_USAGE)
            if key in planned:
                raise ConsoleError(f"{planned[key]} and {file} would both become {key}: rename one.", EXIT_USAGE)
            planned[key] = file
    if not planned:
        raise ConsoleError("there is no file to upload under " + ", ".join(map(str, paths)) + ".", EXIT_USAGE)
    return [PlannedUpload(path=file, key=key) for key, file in planned.items()]


def drop(
    connection: Connection, uploads: Sequence[PlannedUpload], now: datetime, on_done: Callable[[int], None]
) -> None:
    """Upload one batch's files and write down that it expects them; `on_done` gets how many are uploaded."""
    images = upload(connection, uploads, on_done)
    expect(connection, uploads[0].batch, images, now)


def upload(
    connection: Connection, uploads: Iterable[PlannedUpload], on_done: Callable[[int], None]
) -> list[ExpectedImage]:
    """Put every file into the input bucket, many at once; the object version of each. The first failure stops the rest.

    One request for each file, because only its response names the version. S3 takes 5 GB in one request; the pipeline
    classifies no image of more than some megabytes.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    bucket = connection.facts.input_bucket
    s3 = connection.s3

    def put(item: PlannedUpload) -> ExpectedImage:
        kind = mimetypes.guess_type(item.path.name)[0] or "application/octet-stream"
        try:
            with item.path.open("rb") as file:
                made = s3.put_object(Bucket=bucket, Key=item.key, Body=file, ContentType=kind)
        except ClientError as error:
            raise ConsoleError(f"{item.path} was not uploaded: {error}. {_what_to_do(error)}".rstrip()) from error
        except BotoCoreError as error:
            raise ConsoleError(f"{item.path} was not uploaded: {sentence_of(error, 'S3')}") from error
        except OSError as error:
            reason = machine_sentence(error) or f"{why(error)}."
            raise ConsoleError(f"{item.path} was not uploaded: {reason.removeprefix(f'{item.path}: ')}") from error
        uri = f"s3://{bucket}/{item.key}"
        return ExpectedImage(image=uri, version_id=made.get("VersionId"), etag=made["ETag"].strip('"'))

    images: list[ExpectedImage] = []
    with ThreadPoolExecutor(UPLOADS_AT_ONCE) as pool:
        try:
            for image in pool.map(put, uploads):
                images.append(image)
                on_done(len(images))
        except ConsoleError:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return images


_KEY_IS_OFF = "Enable the KMS key that the bucket encrypts with, or give the bucket another one."
_TO_DO = {
    "AccessDenied": "Let your AWS profile put objects there: its own policies, the bucket's, which may ask for an encryption, "
    "and that of the bucket's KMS key.",
    "KMS.DisabledException": _KEY_IS_OFF,
    "KMS.KMSInvalidStateException": _KEY_IS_OFF,
    "KMS.NotFoundException": _KEY_IS_OFF,
    "NoSuchBucket": "The stack's bucket was deleted: deploy the stack again.",
    "ExpiredToken": "Sign in again, such as with `aws sso login`.",
    "RequestTimeTooSkewed": "Set this machine's clock.",
}


def _what_to_do(error: ClientError) -> str:
    """What lets S3 take the file, if more than a second try is needed."""
    return _TO_DO.get(error.response["Error"]["Code"], "")


def expect(connection: Connection, batch: str, images: Sequence[ExpectedImage], now: datetime) -> int:
    """Write down that the batch expects these images, beside those that it expects already; how many it expects then.

    The stack announces the batch when all of them are done.
    """
    s3, bucket = connection.s3, connection.facts.results_bucket
    for first in range(0, len(images), IMAGES_PER_PART):
        some = tuple(images[first : first + IMAGES_PER_PART])
        write_part(s3, bucket, ManifestPart(batch=batch, images=some, created_at=now))
    keys = part_keys(s3, bucket, batch)
    expected = len(expected_images(read_parts(s3, bucket, keys)))
    ledger = Ledger(connection.dynamodb_client, connection.facts.ledger)
    ledger.open(batch, expected=expected, revision=revision_of(keys), now=now)
    return expected


def latest_uploads(connection: Connection, batch: str) -> dict[str, ExpectedUpload]:
    """The latest version of every object of the batch, by `s3://bucket/key`."""
    pages = pages_of_uploads(connection.s3, connection.facts.input_bucket, f"{INCOMING_PREFIX}{batch}/")
    return {
        image.uri: ExpectedUpload(image.version_id, image.etag, uploaded_at)
        for page in pages
        for image, uploaded_at in page.uploads
    }


def _files(path: Path) -> Iterator[tuple[Path, str]]:
    """Each file under a path, with the name that its key ends with."""
    if path.is_file():
        yield path, path.name
    elif path.is_dir():
        for file in sorted(path.rglob("*")):
            inner = file.relative_to(path)
            if file.is_file() and not any(map(is_clutter, inner.parts)):
                yield file, inner.as_posix()
    else:
        problem = f"{path}: {why_no_file(path)}" if path.exists() else f"{path} does not exist"
        raise ConsoleError(f"{problem}: give a file or a folder of images.", EXIT_USAGE)
