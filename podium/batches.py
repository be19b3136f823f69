"""A batch is a prefix: upload it, watch it, read what became of it."""

from __future__ import annotations

import mimetypes
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from pipeline.contracts import INCOMING_PREFIX
from podium.connection import Connection
from podium.errors import EXIT_USAGE, ConsoleError

UPLOADS_AT_ONCE = 16
MAX_KEY_BYTES = 1024  # S3's limit


@dataclass(frozen=True)
class Upload:
    """A file, and the key that it becomes."""

    path: Path
    key: str


@dataclass(frozen=True)
class Progress:
    """How far a batch is. `in_flight` and `queued` count the whole queue's messages, other batches' too."""

    total: int
    classified: int
    rejected: int
    queued: int
    in_flight: int

    @property
    def waiting(self) -> int:
        """Images of this batch without a terminal state."""
        return self.total - self.classified - self.rejected


def plan_uploads(paths: Sequence[Path], batch: str) -> list[Upload]:
    """The files under these paths and their keys; a folder keeps its inner structure, hidden files are left out.

    Raises ConsoleError for a batch name or a path that cannot be, and when two files would become one key.
    """
    if not batch or "/" in batch or batch in {".", ".."}:
        raise ConsoleError(f"{batch!r} cannot name a batch: use a plain word without '/', such as monday.", EXIT_USAGE)
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
    return [Upload(path=file, key=key) for key, file in planned.items()]


def upload(connection: Connection, uploads: Iterable[Upload], on_done: Callable[[int], None]) -> None:
    """Put every file into the input bucket, many at once; the first failure stops the rest and is raised.

    `on_done` gets how many are done.
    """
    from boto3.exceptions import S3UploadFailedError

    bucket = connection.facts.input_bucket
    s3 = connection.s3

    def put(item: Upload) -> None:
        kind = mimetypes.guess_type(item.path.name)[0] or "application/octet-stream"
        try:
            s3.upload_file(str(item.path), bucket, item.key, ExtraArgs={"ContentType": kind})
        except (S3UploadFailedError, OSError) as error:
            raise ConsoleError(f"{item.path} was not uploaded: {error}") from error

    with ThreadPoolExecutor(UPLOADS_AT_ONCE) as pool:
        try:
            for done, _ in enumerate(pool.map(put, uploads), start=1):
                on_done(done)
        except ConsoleError:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def watch(connection: Connection, batch: str, *, timeout_s: float | None) -> Iterator[Progress]:
    """The batch's progress about once a second, until every image has a terminal state or the time is up.

    What is expected is read once, when the watch starts: the latest version of each object under the prefix.
    """
    expected = latest_versions(connection, batch)
    if not expected:
        raise ConsoleError(f"batch {batch!r} is empty. Fill it with `podium drop PATH --batch {batch}`.")
    pause_s = max(1.0, len(expected) / 2000)  # a large batch is asked after less often
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    while True:
        now = _progress(connection, batch, expected)
        yield now
        if now.waiting == 0 or (deadline is not None and time.monotonic() + pause_s > deadline):
            return
        time.sleep(pause_s)


def latest_versions(connection: Connection, batch: str) -> dict[str, str]:
    """`s3://bucket/key` -> version id of every object of the batch."""
    bucket = connection.facts.input_bucket
    pages = connection.s3.get_paginator("list_object_versions").paginate(
        Bucket=bucket, Prefix=f"{INCOMING_PREFIX}{batch}/"
    )
    return {
        f"s3://{bucket}/{version['Key']}": version["VersionId"]
        for page in pages
        for version in page.get("Versions", [])
        if version["IsLatest"]
    }


def _progress(connection: Connection, batch: str, expected: Mapping[str, str]) -> Progress:
    from podium.results import rows_of_batch

    status = {
        row.image: row.status for row in rows_of_batch(connection, batch) if row.version_id == expected.get(row.image)
    }
    verdicts = list(status.values())
    queue = connection.sqs.get_queue_attributes(
        QueueUrl=connection.facts.queue_url,
        AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
    )["Attributes"]
    return Progress(
        total=len(expected),
        classified=verdicts.count("classified"),
        rejected=verdicts.count("rejected"),
        queued=int(queue["ApproximateNumberOfMessages"]),
        in_flight=int(queue["ApproximateNumberOfMessagesNotVisible"]),
    )


def _files(path: Path) -> Iterator[tuple[Path, str]]:
    """Each file under a path, with the name that its key ends with."""
    if path.is_file():
        yield path, path.name
    elif path.is_dir():
        for file in sorted(path.rglob("*")):
            inner = file.relative_to(path)
            if file.is_file() and not any(part.startswith(".") for part in inner.parts):
                yield file, inner.as_posix()
    else:
        raise ConsoleError(f"{path} does not exist: give a file or a folder of images.", EXIT_USAGE)
