"""Batches that the embedded AWS has forgotten, opened again: their manifests are objects, and objects outlive a kill."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from pydantic import ValidationError

from pipeline.batches.ledger import Ledger
from pipeline.batches.manifests import expected_images, folder_of, part_keys, read_parts, revision_of
from pipeline.contracts import BATCHES_PREFIX, BatchSummary
from podium.connection import Connection


def open_batches_again(connection: Connection, now: datetime) -> list[str]:
    """Note in the ledger what batches expect of which it has an older notion or none; their names.

    A batch whose summary is of this very manifest was announced, and is left alone.
    """
    ledger = Ledger(connection.dynamodb_client, connection.facts.ledger)
    opened = []
    for batch in _batches(connection):
        keys = part_keys(connection.s3, connection.facts.results_bucket, batch)
        revision, entry = revision_of(keys), ledger.read(batch)
        if keys and (entry is None or entry.revision != revision) and _announced(connection, batch) != revision:
            expected = expected_images(read_parts(connection.s3, connection.facts.results_bucket, keys))
            ledger.open(batch, expected=len(expected), revision=revision, now=now)
            opened.append(batch)
    return opened


def _batches(connection: Connection) -> Iterator[str]:
    """Every batch that has a folder in the results bucket."""
    pages = connection.s3.get_paginator("list_objects_v2").paginate(
        Bucket=connection.facts.results_bucket, Prefix=BATCHES_PREFIX, Delimiter="/"
    )
    for page in pages:
        for prefix in page.get("CommonPrefixes", []):
            yield prefix["Prefix"].removeprefix(BATCHES_PREFIX).removesuffix("/")


def _announced(connection: Connection, batch: str) -> str | None:
    """The revision of the manifest whose summary there is."""
    s3, key = connection.s3, f"{folder_of(batch)}summary.json"
    try:
        document = s3.get_object(Bucket=connection.facts.results_bucket, Key=key)["Body"].read()
        return BatchSummary.model_validate_json(document).revision
    except (s3.exceptions.NoSuchKey, ValidationError):
        return None
