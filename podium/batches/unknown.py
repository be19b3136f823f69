"""A batch, image or label that no row has: whether it is known, and which names come nearest to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from pipeline.batches.ledger import BATCH_ID, Ledger
from pipeline.contracts import INCOMING_PREFIX
from pipeline.results.index_keys import BY_LABEL
from pipeline.uploads import pages_of_uploads
from podium.batches.drop import latest_uploads
from podium.batches.keys import may_be_batch, may_be_indexed, why_no_key
from podium.batches.results import RowFilter, find, uri_of
from podium.connection import Connection
from podium.nearest import nearest

LOOKED_AT = 10_000  # names, at most
SUGGESTED = 3
SHOWN = 200  # characters of a name


def unknown_name(connection: Connection, row_filter: RowFilter) -> str | None:
    """A sentence about the first name of the filter that no row and no upload has; None if all are known."""
    if row_filter.image is not None and not find(connection, RowFilter(image=row_filter.image)).rows:
        return _unknown_image(connection, row_filter.image)
    if row_filter.batch is not None and not _has_rows(connection, RowFilter(batch=row_filter.batch)):
        return unknown_batch(connection, row_filter.batch)
    if row_filter.label is not None and not _has_rows(connection, RowFilter(label=row_filter.label)):
        known = _labels(connection) if may_be_indexed(row_filter.label) else ()
        return f"no image is classified as {_quoted(row_filter.label)}{_nearest(row_filter.label, known)}"
    return None


def unknown_batch(connection: Connection, batch: str) -> str | None:
    """A sentence about a batch that nobody has opened and that has no upload, with the names nearest to it; None about others."""
    if not may_be_batch(batch):
        return f"there is no batch {_quoted(batch)}."
    entry = Ledger(connection.dynamodb_client, connection.facts.ledger).read(batch)
    if entry is not None or latest_uploads(connection, batch):
        return None
    return f"there is no batch {batch!r}{_nearest(batch, _batches(connection))}"


def _has_rows(connection: Connection, row_filter: RowFilter) -> bool:
    return bool(find(connection, row_filter.model_copy(update={"limit": 1}), count_to=0).rows)


def _unknown_image(connection: Connection, image: str) -> str | None:
    bucket, _, key = uri_of(connection, image).removeprefix("s3://").partition("/")
    if why := why_no_key(key):
        return f"there is no image {_quoted(image)}: {why}."
    if bucket != connection.facts.input_bucket:
        shown = image if len(image) <= SHOWN else _quoted(image)
        return f"{shown} has no result. Images of other buckets are classified by `podium backfill`."
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
    near = [name] if name in ends else nearest(name, ends, SUGGESTED)
    return [key for end in near for key in ends[end]][:SUGGESTED] or nearest(name, looked_at, SUGGESTED)


def _batches(connection: Connection) -> Iterable[str]:
    pages = connection.dynamodb_client.get_paginator("scan").paginate(
        TableName=connection.facts.ledger, ProjectionExpression="id"
    )
    ids = (item["id"]["S"] for page in pages for item in page["Items"])
    return (one.removeprefix(BATCH_ID) for one in ids if one.startswith(BATCH_ID))


def _labels(connection: Connection) -> Iterable[str]:
    pages = connection.dynamodb_client.get_paginator("scan").paginate(
        TableName=connection.facts.table, IndexName=BY_LABEL.name, ProjectionExpression="label"
    )
    return (item["label"]["S"] for page in pages for item in page["Items"])


def _nearest(name: str, known: Iterable[str]) -> str:
    return _sentence(nearest(name, {*islice(known, LOOKED_AT)}, SUGGESTED))


def _sentence(near: list[str]) -> str:
    """The end of the sentence: the names most like the one that is not known."""
    return f". Did you mean {' or '.join(map(repr, near))}?" if near else "."


def _quoted(name: str) -> str:
    """The name in quotes; of a very long one its beginning."""
    return repr(name) if len(name) <= SHOWN else repr(f"{name[:SHOWN]}...")
