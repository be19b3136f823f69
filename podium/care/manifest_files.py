"""A file on this machine that names a bucket's images, uploaded as the JSON lines that Step Functions reads."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from pipeline.batches.manifests import folder_of
from podium.care.backfill import Source
from podium.connection import Connection
from podium.errors import EXIT_USAGE, ConsoleError


def upload_manifest(connection: Connection, file: Path, source: Source, job: str) -> tuple[str, int]:
    """Put the file's keys, each once, where the machine reads them; the key there, and how many.

    ConsoleError when the file names nothing, or something outside the source.
    """
    key = f"{folder_of(job)}input.jsonl"
    count = 0
    with tempfile.TemporaryFile() as lines:
        try:
            with file.open(encoding="utf-8") as text:
                for name in keys_in(text, source):
                    lines.write(json.dumps({"Key": name}).encode() + b"\n")
                    count += 1
        except (OSError, UnicodeDecodeError) as error:
            raise ConsoleError(f"the manifest {file} cannot be read: {error}", EXIT_USAGE) from error
        if count == 0:
            raise ConsoleError(f"the manifest {file} names no image: write one key per line.", EXIT_USAGE)
        lines.seek(0)
        connection.s3.upload_fileobj(lines, connection.facts.results_bucket, key)
    return key, count


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
        key = (_key_of(name) if as_json else name).removeprefix(f"s3://{source.bucket}/")
        if not key or not key.startswith(source.prefix):
            raise ConsoleError(
                f"line {number} of the manifest, {name!r}, names no key under s3://{source.bucket}/{source.prefix}: "
                'write whole keys, one per line, or objects such as {"Key": "photos/1.jpg"}.',
                EXIT_USAGE,
            )
        if key not in seen:
            seen.add(key)
            yield key


def _key_of(line: str) -> str:
    """The key in a JSON object; empty when there is none."""
    try:
        named = json.loads(line)
    except ValueError:
        return ""
    key = (named.get("Key") or named.get("key")) if isinstance(named, dict) else None
    return key if isinstance(key, str) else ""
