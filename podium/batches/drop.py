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

from pipeline.batches.ledger import Ledger
from pipeline.batches.manifests import IMAGES_PER_PART, expected_images, part_keys, read_parts, revision_of, write_part
from pipeline.batches.outcomes import ExpectedUpload
from pipeline.contracts import INCOMING_PREFIX, ExpectedImage, ManifestPart
from podium.connection import Connection
from podium.errors import EXIT_USAGE, ConsoleError
from training.data.walking import is_clutter

UPLOADS_AT_ONCE = 16
MAX_KEY_BYTES = 1024  # S3's limit
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


def plan_uploads(paths: Sequence[Path], batch: str) -> list[PlannedUpload]:
    """The files under these paths and their keys; a folder keeps its inner structure; hidden files, and what systems
    leave among photos, are left out.

    Raises ConsoleError for an impossible batch name or path, and when two files would get one key.
    """
    if not batch or "/" in batch or batch in {".", ".."} or len(batch.encode()) > MAX_NAME_BYTES:
        raise ConsoleError(
            f"{batch!r} cannot name a batch: use a plain word without '/', at most {MAX_NAME_BYTES} bytes long, "
            "such as monday.",
            EXIT_USAGE,
        )
    planned: dict[str, Path] = {}
    for path in paths:
        for file, name in _files(path):
            key = f"{INCOMING_PREFIX}{batch}/{name}"
            if len(key.encode()) > MAX_KEY_BYTES:
                raise ConsoleError(
                    f"{file} would get a key of over {MAX_KEY_BYTES} bytes: shorten its name.", EXIT_USAGE
                )
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
        except (ClientError, BotoCoreError, OSError) as error:
            raise ConsoleError(f"{item.path} was not uploaded: {error}") from error
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
    bucket = connection.facts.input_bucket
    pages = connection.s3.get_paginator("list_object_versions").paginate(
        Bucket=bucket, Prefix=f"{INCOMING_PREFIX}{batch}/"
    )
    return {
        f"s3://{bucket}/{version['Key']}": ExpectedUpload(
            version["VersionId"], version["ETag"].strip('"'), version["LastModified"]
        )
        for page in pages
        for version in page.get("Versions", [])
        if version["IsLatest"]
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
        raise ConsoleError(f"{path} does not exist: give a file or a folder of images.", EXIT_USAGE)
