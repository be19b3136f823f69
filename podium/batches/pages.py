"""Results page by page, forwards and backwards: a cursor is a place in an index, and stays good whatever is written meanwhile."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from pipeline.contracts import Row
from pipeline.results.index_keys import BY_REVIEW
from pipeline.results.shards import Item, Value, of_batch, of_label, rows_in_order, to_review
from podium.batches.rows import RowFilter, matches, may_have_rows, row_in
from podium.connection import Connection
from podium.errors import EXIT_USAGE, ConsoleError


@dataclass(frozen=True)
class Page:
    """Some rows in order, and the cursors of the pages before and after them; None where there is none."""

    rows: Sequence[Row]
    previous: str | None = None
    next: str | None = None


def page_of(connection: Connection, row_filter: RowFilter, size: int, cursor: str | None = None) -> Page:
    """The page that a cursor of the same filter leads to; the first without one.

    Of a batch or a label, the most confident come first; of what is to be reviewed, the least margin. ConsoleError for a
    cursor of something else, and for a filter by which no index finds rows.
    """
    if not may_have_rows(connection, row_filter):
        return Page(())
    value = index_value(row_filter)
    if value is None or row_filter.image is not None:
        raise ConsoleError("pages are of a batch, a label, uncertain or rejected images: name one of them.", EXIT_USAGE)
    place, backwards = (None, False) if cursor is None else _opened(cursor, value)
    table = connection.facts.table
    items = rows_in_order(
        connection.dynamodb_client, table, value, after=place, descending=is_descending(value) != backwards, few=size
    )
    matching = ((item, row) for item in items if matches(row := row_in(item), row_filter))
    found = list(islice(matching, size + 1))
    more, found = len(found) > size, found[:size]
    if backwards:
        found.reverse()
    has_previous, has_next = (more, True) if backwards else (cursor is not None, more)
    return Page(
        tuple(row for _, row in found),
        previous=cursor_at(value, found[0][0], backwards=True) if found and has_previous else None,
        next=cursor_at(value, found[-1][0]) if found and has_next else None,
    )


def index_value(row_filter: RowFilter) -> Value | None:
    """The value of an index that narrows most; None when no index does."""
    batch, label, least = row_filter.batch, row_filter.label, row_filter.min_probability or 0.0
    review = "uncertain" if row_filter.uncertain else "rejected" if row_filter.status == "rejected" else None
    if label is not None:
        return of_label(label, least=least) if batch is None else of_batch(batch, label, least=least)
    if review is not None:
        return to_review(review, batch)
    return None if batch is None else of_batch(batch)


def is_descending(value: Value) -> bool:
    """Whether the rows come from the last on: the most confident first; what is to be reviewed, with the least margin first."""
    return value.index != BY_REVIEW


def cursor_at(value: Value, item: Item, *, backwards: bool = False) -> str:
    """The cursor of what comes after the row, or `backwards` before it."""
    document = [_name_of(value), "<" if backwards else ">", item[value.index.range_key]["S"]]
    return base64.urlsafe_b64encode(json.dumps(document, ensure_ascii=False).encode()).decode().rstrip("=")


def _opened(cursor: str, value: Value) -> tuple[str, bool]:
    """The place that the cursor names, and whether it leads backwards."""
    try:
        document = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError) as error:
        raise ConsoleError(
            f"{cursor[:80]!r} is no cursor: take it as the page before it printed it.", EXIT_USAGE
        ) from error
    match document:
        case [str(name), ">" | "<" as direction, str(place)] if name == _name_of(value):
            return place, direction == "<"
    raise ConsoleError(
        f"the cursor {cursor[:80]!r} is of other results: give it the batch, label and --min that it was printed for.",
        EXIT_USAGE,
    )


def _name_of(value: Value) -> str:
    """What tells the cursors of different results apart."""
    return hashlib.sha256(
        repr((value.index.name, value.name, value.low, value.high, value.exactly)).encode()
    ).hexdigest()[:8]
