"""Photos in a bucket, downloaded once: a later start fetches only changed objects.

s3://bucket/prefix -> list of keys -> those whose etag or size is new -> FETCHED/bucket-hash/
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from training.aws_trouble import trouble
from training.data.manifest import is_manifest, read_rows
from training.data.records import Counted, OnCount, uncounted
from training.data.s3_objects import opened, said_by_s3
from training.data.walking import is_clutter
from training.errors import TrainingError, WrongInput, refusal_at, why
from training.files import replacing

if TYPE_CHECKING:
    from botocore.config import Config
    from mypy_boto3_s3 import S3Client

SCHEME = "s3://"
ANSWERS_WITHIN_S = 5.0
AT_ONCE = 16  # downloads: a GET waits 20 to 50 ms for its first byte, whatever the core does
INDEX = ".fetched.json"  # in the folder: of every file that lies there, which object it is


@dataclass(frozen=True)
class Object:
    """One object, and the path below the local folder that it gets."""

    key: str
    relative: str
    etag: str
    size_bytes: int


def fetch(address: str, fetched: Path, on_count: OnCount = uncounted) -> Path:
    """The local folder or manifest with the content of `address`; boto3 finds endpoint and credentials.

    Keys with a part that is empty, or that a folder would leave out (`is_clutter`), are left out: so no key leads out of
    the folder. Raises WrongInput if nothing lies there, TrainingError if S3 does not answer.
    """
    bucket, _, prefix = address.removeprefix(SCHEME).partition("/")
    folder, _, name = prefix.rpartition("/") if is_manifest(prefix) else (prefix.strip("/"), "", "")
    with _fetching(address):
        reach(bucket)
        client = s3_client()
        place = fetched / f"{bucket}-{_short_hash(client.meta.endpoint_url, bucket, prefix)}"
        objects = {found.relative: found for found in _list(client, bucket, f"{folder}/" if folder else "")}
        if not objects or (name and name not in objects):
            raise WrongInput(f"{address} holds nothing that could be a photo. Check bucket and prefix.")
        if not name:
            _bring(client, bucket, place, objects, on_count)
            return place
        _bring(client, bucket, place, {name: objects[name]}, uncounted, prune=False)
        _bring(client, bucket, place, _named(address, place / name, objects), on_count)
    return place / name


def _named(address: str, manifest: Path, objects: dict[str, Object]) -> dict[str, Object]:
    """The manifest itself and the photos that it names."""
    wanted = {manifest.name: objects[manifest.name]}
    for row in read_rows(manifest):
        if row.path not in objects:
            raise WrongInput(f"{address}, line {row.line}: there is no object {row.path} beside the manifest.")
        wanted[row.path] = objects[row.path]
    return wanted


def s3_client() -> S3Client:
    """A client for many GETs at once; endpoint and credentials by boto3's own rules."""
    from botocore.config import Config

    patient = Config(max_pool_connections=AT_ONCE, retries={"mode": "standard", "max_attempts": 5})
    return _client(patient)


def reach(bucket: str) -> None:
    """Ask S3 once whether it is there, without the client's own minute of attempts; raises what botocore does if it is not."""
    from botocore.config import Config
    from botocore.exceptions import ClientError

    once = Config(connect_timeout=ANSWERS_WITHIN_S, retries={"total_max_attempts": 1})
    with suppress(ClientError):  # an answer; the listing has a sentence for it
        _client(once).head_bucket(Bucket=bucket)


def _client(config: Config) -> S3Client:
    """WrongInput if the endpoint that the environment or the profile names is no address."""
    import boto3

    try:
        return boto3.client("s3", config=config)
    except ValueError as error:
        raise WrongInput(
            f"{why(error)}. Set AWS_ENDPOINT_URL to an address such as https://s3.example.com, or unset it."
        ) from error


def _list(client: S3Client, bucket: str, prefix: str) -> Iterator[Object]:
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for entry in page.get("Contents", []):
            relative = entry["Key"].removeprefix(prefix)
            if all(part and not is_clutter(part) and "\0" not in part for part in relative.split("/")):
                yield Object(entry["Key"], relative, entry["ETag"], entry["Size"])


def _bring(
    client: S3Client, bucket: str, place: Path, objects: dict[str, Object], on_count: OnCount, *, prune: bool = True
) -> None:
    """Make the folder hold these objects; files that are there already stay, also after an interruption."""
    place.mkdir(parents=True, exist_ok=True)
    index = _read_index(place)
    if prune:
        for relative in set(index) - set(objects):
            _remove(place, relative)
            del index[relative]
    lacking = [found for found in objects.values() if not _is_there(place, found, index.get(found.relative))]
    try:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            tasks = {pool.submit(_download, client, bucket, place, found): found for found in lacking}
            try:
                for done, task in enumerate(as_completed(tasks), start=1):
                    index[tasks[task].relative] = task.result()
                    on_count(Counted("downloading", done, len(lacking)))
            finally:
                pool.shutdown(cancel_futures=True)
    finally:
        _write_index(place, index)


def _remove(place: Path, relative: str) -> None:
    """The file, and the folders that it leaves empty: an empty one would be a class without photos."""
    path = place / relative
    path.unlink(missing_ok=True)
    for folder in path.relative_to(place).parents[:-1]:
        with suppress(OSError):
            (place / folder).rmdir()


def _is_there(place: Path, found: Object, known: str | None) -> bool:
    path = place / found.relative
    return path.is_file() and known == _mark(found.etag, path.stat().st_size, found.size_bytes)


def _mark(etag: str, here_bytes: int, stored_bytes: int) -> str:
    """What the index notes of a file: the object's etag, and its own size if the object is stored compressed."""
    return etag if here_bytes == stored_bytes else f"{etag} {here_bytes}"


def _download(client: S3Client, bucket: str, place: Path, found: Object) -> str:
    """What the index notes of the file that was written, whole or not at all."""
    path = place / found.relative
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        opened(client, bucket, found.key, f"{SCHEME}{bucket}/{found.key}") as (content, etag),
        replacing(path, synced=False, shared=True) as draft,
        draft.open("wb") as file,
    ):
        file.writelines(content)
    return _mark(etag, path.stat().st_size, found.size_bytes)


def _read_index(place: Path) -> dict[str, str]:
    try:
        known = json.loads((place / INDEX).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _write_index(place: Path, index: dict[str, str]) -> None:
    with replacing(place / INDEX, shared=True) as draft:
        draft.write_text(json.dumps(index), encoding="utf-8")


def _short_hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


@contextmanager
def explained(address: str, verb: Literal["read", "listed"]) -> Iterator[None]:
    """Turn what boto3 raises about an address into a sentence: it cannot be read, or listed."""
    from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

    try:
        yield
    except ClientError as error:
        raise TrainingError(f"{address} cannot be {verb}: {said_by_s3(error)}") from error
    except ParamValidationError as error:
        raise WrongInput(f"{address} names no bucket that S3 could have. Check its name.") from error
    except BotoCoreError as error:
        raise TrainingError(f"{address} cannot be {verb}: {trouble(error, 'S3')}") from error


@contextmanager
def _fetching(address: str) -> Iterator[None]:
    """Errors of S3 and of the disk as sentences."""
    from botocore.exceptions import ClientError

    with explained(address, "read"):
        try:
            yield
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") != "NoSuchBucket":
                raise
            raise WrongInput(f"{address}: there is no such bucket. Check its name and AWS_ENDPOINT_URL.") from error
        except OSError as error:
            what, action = refusal_at(None, error)
            raise TrainingError(f"{address} cannot be kept here ({what}). {action}") from error
