"""A batch, image or label that no row has: whether it is known, and which names come nearest to it."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from itertools import islice

from pipeline.batches.ledger import BATCH_ID, Ledger
from pipeline.contracts import INCOMING_PREFIX
from podium.batches.drop import latest_uploads
from podium.batches.results import RowFilter, find, rows_of_batch, uri_of
from podium.connection import Connection

LOOKED_AT = 10_000  # names, at most
SUGGESTED = 3


def unknown_name(connection: Connection, row_filter: RowFilter) -> str | None:
    """A sentence about the first name of the filter that no row and no upload has; None if all are known."""
    if row_filter.image and not find(connection, RowFilter(image=row_filter.image)).rows:
        return _unknown_image(connection, row_filter.image)
    if row_filter.batch and not any(True for _ in rows_of_batch(connection, row_filter.batch)):
        return _unknown_batch(connection, row_filter.batch)
    if row_filter.label and not find(connection, RowFilter(label=row_filter.label, limit=1), count_to=0).rows:
        return f"no image is classified as {row_filter.label!r}{_nearest(row_filter.label, _labels(connection))}"
    return None


def _unknown_batch(connection: Connection, batch: str) -> str | None:
    entry = Ledger(connection.dynamodb_client, connection.facts.ledger).read(batch)
    if entry is not None or latest_uploads(connection, batch):
        return None
    return f"there is no batch {batch!r}{_nearest(batch, _batches(connection))}"


def _unknown_image(connection: Connection, image: str) -> str | None:
    bucket, _, key = uri_of(connection, image).removeprefix("s3://").partition("/")
    if bucket != connection.facts.input_bucket:
        return f"{image} has no result. Images of other buckets are classified by `podium backfill`."
    batch = key.removeprefix(INCOMING_PREFIX).partition("/")[0]
    keys = list(latest_uploads(connection, batch)) if key.startswith(INCOMING_PREFIX) else []
    if uri_of(connection, image) in keys:
        return None
    near = _nearest(key, [uri.partition(f"{bucket}/")[2] for uri in keys])
    return f"there is no image {key!r} in the input bucket{near}"


def _batches(connection: Connection) -> Iterable[str]:
    pages = connection.dynamodb_client.get_paginator("scan").paginate(
        TableName=connection.facts.ledger, ProjectionExpression="id"
    )
    ids = (item["id"]["S"] for page in pages for item in page["Items"])
    return (one.removeprefix(BATCH_ID) for one in ids if one.startswith(BATCH_ID))


def _labels(connection: Connection) -> Iterable[str]:
    pages = connection.dynamodb_client.get_paginator("scan").paginate(
        TableName=connection.facts.table, IndexName="by-label", ProjectionExpression="label"
    )
    return (item["label"]["S"] for page in pages for item in page["Items"])


def _nearest(name: str, known: Iterable[str]) -> str:
    """The end of the sentence: the names most like this one."""
    near = get_close_matches(name, set(islice(known, LOOKED_AT)), SUGGESTED)
    return f". Did you mean {' or '.join(map(repr, near))}?" if near else "."
