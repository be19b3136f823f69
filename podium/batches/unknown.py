"""A batch, image or label that no row has: whether it is known, and which names come nearest to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from itertools import islice

from pipeline.batches.ledger import BATCH_ID, Ledger
from pipeline.contracts import INCOMING_PREFIX
from pipeline.uploads import pages_of_uploads
from podium.batches.drop import latest_uploads
from podium.batches.results import RowFilter, find, rows_of_batch, uri_of
from podium.connection import Connection

LOOKED_AT = 10_000  # names, at most
SUGGESTED = 3


def unknown_name(connection: Connection, row_filter: RowFilter) -> str | None:
    """A sentence about the first name of the filter that no row and no upload has; None if all are known."""
    if row_filter.image is not None and not find(connection, RowFilter(image=row_filter.image)).rows:
        return _unknown_image(connection, row_filter.image)
    if row_filter.batch is not None and not any(True for _ in rows_of_batch(connection, row_filter.batch)):
        return unknown_batch(connection, row_filter.batch)
    if (
        row_filter.label is not None
        and not find(connection, RowFilter(label=row_filter.label, limit=1), count_to=0).rows
    ):
        return f"no image is classified as {row_filter.label!r}{_nearest(row_filter.label, _labels(connection))}"
    return None


def unknown_batch(connection: Connection, batch: str) -> str | None:
    """A sentence about a batch that nobody has opened and that has no upload, with the names nearest to it; None about others."""
    entry = Ledger(connection.dynamodb_client, connection.facts.ledger).read(batch)
    if entry is not None or latest_uploads(connection, batch):
        return None
    return f"there is no batch {batch!r}{_nearest(batch, _batches(connection))}"


def _unknown_image(connection: Connection, image: str) -> str | None:
    bucket, _, key = uri_of(connection, image).removeprefix("s3://").partition("/")
    if bucket != connection.facts.input_bucket:
        return f"{image} has no result. Images of other buckets are classified by `podium backfill`."
    batch, inside, _ = key.removeprefix(INCOMING_PREFIX).partition("/")
    of_batch = f"{INCOMING_PREFIX}{batch}/"
    keys = list(_keys(connection, of_batch)) if inside and key.startswith(INCOMING_PREFIX) else []
    if key in keys:
        return None
    near = _sentence(_nearest_keys(key, keys or list(_keys(connection, INCOMING_PREFIX))))
    return f"there is no image {key!r} in the input bucket{near}"


def _keys(connection: Connection, prefix: str) -> Iterator[str]:
    """The keys of the input bucket's images under the prefix."""
    pages = pages_of_uploads(connection.s3, connection.facts.input_bucket, prefix)
    return (image.key for page in pages for image, _ in page.uploads)


def _nearest_keys(name: str, keys: Iterable[str]) -> list[str]:
    """The keys most like a name, which may lack folders at its beginning, as the one in the table does."""
    looked_at = list(islice(keys, LOOKED_AT))
    depth = name.count("/") + 1
    ends: dict[str, list[str]] = {}
    for key in looked_at:
        ends.setdefault("/".join(key.split("/")[-depth:]), []).append(key)
    near = [name] if name in ends else get_close_matches(name, ends, SUGGESTED)
    return [key for end in near for key in ends[end]][:SUGGESTED] or get_close_matches(name, looked_at, SUGGESTED)


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
    return _sentence(get_close_matches(name, {*islice(known, LOOKED_AT)} - {name}, SUGGESTED))


def _sentence(near: list[str]) -> str:
    """The end of the sentence: the names most like the one that is not known."""
    return f". Did you mean {' or '.join(map(repr, near))}?" if near else "."
