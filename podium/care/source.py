"""Which bucket and prefix a backfill reads, and the file that names single keys of it.

s3://bucket/prefix -> Source; file -> keys -> JSON lines that Step Functions reads
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from pipeline.batches.manifests import folder_of
from pipeline.contracts import INCOMING_PREFIX
from podium.batches.keys import why_no_key
from podium.connection import Connection
from podium.errors import EXIT_USAGE, ConsoleError
from training.errors import why

_LOCATION = re.compile(r"s3://(?P<bucket>[^/]+)/?(?P<prefix>.*)", re.DOTALL)


class Source(NamedTuple):
    """A bucket, and the prefix of its images' keys."""

    bucket: str
    prefix: str


def source_at(connection: Connection, location: str) -> Source:
    """The bucket and prefix of `s3://bucket/prefix`; ConsoleError for a bucket that the stack's functions may not read."""
    named = _LOCATION.fullmatch(location)
    if named is None:
        raise ConsoleError(f"{location!r} is no place in S3: write s3://bucket/prefix.", EXIT_USAGE)
    bucket, prefix = named["bucket"], named["prefix"]
    if why := why_no_key(prefix):
        raise ConsoleError(f"{location!r} is no place in S3: {why}.", EXIT_USAGE)
    if bucket == connection.facts.input_bucket:
        prefix = prefix or INCOMING_PREFIX
        if not prefix.startswith(INCOMING_PREFIX):
            raise ConsoleError(
                f"only {INCOMING_PREFIX} of the input bucket is classified, and {prefix!r} does not lie there: "
                f"write s3://{bucket}/{INCOMING_PREFIX}...",
                EXIT_USAGE,
            )
        return Source(bucket, prefix)
    allowed = connection.parameters.get("ExistingBucket")
    if bucket != allowed:
        stack = "" if connection.local else f" --stack {connection.stack}"
        raise ConsoleError(
            f"stack {connection.stack!r} may not read the bucket {bucket!r}"
            + (f", only {allowed!r} and its own" if allowed else "")
            + f". Allow it with `podium deploy{stack} --parameter ExistingBucket={bucket}`, then do this again."
        )
    return Source(bucket, prefix)


def upload_keys(connection: Connection, file: Path, source: Source, job: str) -> tuple[str, int]:
    """Upload the keys that the file names, each once, as the machine reads them. Returns the key of that object, and how many keys are in it.

    ConsoleError when the file names no key, or one outside the source.
    """
    uploaded = f"{folder_of(job)}input.jsonl"
    count = 0
    with tempfile.TemporaryFile() as lines:
        try:
            with file.open(encoding="utf-8-sig") as text:
                for key in keys_in(text, source):
                    lines.write(json.dumps({"Key": key}).encode() + b"\n")
                    count += 1
        except (OSError, UnicodeDecodeError) as error:
            raise ConsoleError(f"the manifest {file} cannot be read: {why(error)}.", EXIT_USAGE) from error
        if count == 0:
            raise ConsoleError(f"the manifest {file} names no image: write one key per line.", EXIT_USAGE)
        lines.seek(0)
        connection.s3.upload_fileobj(lines, connection.facts.results_bucket, uploaded)
    return uploaded, count


def keys_in(text: Iterable[str], source: Source) -> Iterator[str]:
    """The keys that the lines name, each once. Either all lines are JSON objects, or none is; empty ones are left out.

    ConsoleError names a line that names no key under the source.
    """
    seen: set[str] = set()
    as_json: bool | None = None
    for number, line in enumerate(text, start=1):
        name = line.rstrip("\r\n")
        if not name.strip():
            continue
        if as_json is None:
            as_json = name.startswith("{")
        key = (_key_of(name, number) if as_json else name).removeprefix(f"s3://{source.bucket}/")
        if not key or not key.startswith(source.prefix):
            raise ConsoleError(
                f"line {number} of the manifest, {name!r}, names no key under s3://{source.bucket}/{source.prefix}: "
                'write whole keys, one per line, or objects such as {"Key": "photos/1.jpg"}.',
                EXIT_USAGE,
            )
        if why := why_no_key(key):
            raise ConsoleError(f"line {number} of the manifest, {name!r}, names no key: {why}.", EXIT_USAGE)
        if key not in seen:
            seen.add(key)
            yield key


def _key_of(line: str, number: int) -> str:
    """The key in a JSON object; empty when there is none. ConsoleError if the object names something twice."""

    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        named = dict(pairs)
        if len(named) < len(pairs):
            raise ConsoleError(
                f"line {number} of the manifest, {line!r}, has a name twice: keep one of them.", EXIT_USAGE
            )
        return named

    try:
        named = json.loads(line, object_pairs_hook=once)
    except (ValueError, RecursionError):
        return ""
    key = (named.get("Key") or named.get("key")) if isinstance(named, dict) else None
    return key if isinstance(key, str) else ""
