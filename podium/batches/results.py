"""Reading rows: by image, batch, label or review, or any."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from pipeline.contracts import Row
from pipeline.results.shards import Item, all_rows, of_batch, rows_in_order
from podium.batches.pages import index_value, is_descending, page_of
from podium.batches.rows import RowFilter, matches, may_have_rows, row_in, uri_of
from podium.connection import Connection

COUNTED = 10_000  # rows beyond a limit: some seconds' reading

__all__ = ["Found", "RowFilter", "final_rows", "find", "found_after", "rows_of_batch", "uri_of"]


@dataclass(frozen=True)
class Found:
    """The rows that match, at most as many as were wanted, and how many match."""

    rows: Sequence[Row]
    total: int
    at_least: bool = False  # more may match: counting ended
    next: str | None = None  # the cursor of the rows after these

    @property
    def is_whole(self) -> bool:
        """Whether every row that matches is here."""
        return len(self.rows) == self.total and not self.at_least

    @property
    def in_words(self) -> str:
        """`50 of 60 rows`."""
        if self.is_whole:
            return f"{self.total} row{'' if self.total == 1 else 's'}"
        return f"{len(self.rows)} of {'more than ' if self.at_least else ''}{self.total:,} rows"


def find(connection: Connection, row_filter: RowFilter, *, count_to: int = COUNTED) -> Found:
    """The rows that match, at most `limit`, read from the index that narrows most; those beyond are counted, up to `count_to`.

    A batch's rows are sorted by image, a label's by probability, highest first, and rows to review by batch, least margin first.
    """
    # Which row of an image counts is known from all of its rows, so no index may leave out some of them.
    narrowing = RowFilter(batch=row_filter.batch, image=row_filter.image) if row_filter.final else row_filter
    read = map(row_in, _narrowest(connection, narrowing)) if may_have_rows(connection, row_filter) else iter(())
    read = iter(final_rows(read)) if row_filter.final else read
    matching = (row for row in read if matches(row, row_filter))
    rows = list(islice(matching, row_filter.limit))
    beyond = 0 if row_filter.limit is None else sum(1 for _ in islice(matching, count_to))
    if row_filter.batch is not None:
        rows.sort(key=lambda row: (row.image, row.model))
    return Found(rows, len(rows) + beyond, at_least=beyond == count_to and next(matching, None) is not None)


def found_after(connection: Connection, row_filter: RowFilter, size: int, cursor: str | None) -> Found:
    """A page of the rows that match, in the order of their index, and the cursor of the next one."""
    page = page_of(connection, row_filter, size, cursor)
    return Found(page.rows, len(page.rows), at_least=page.next is not None, next=page.next)


def final_rows(rows: Iterable[Row]) -> list[Row]:
    """Of each image one row: of its latest upload, the one that was made last, of whichever model."""
    latest: dict[str, Row] = {}
    for row in rows:
        other = latest.setdefault(row.image, row)
        if (row.sequencer, row.classified_at, row.model) > (other.sequencer, other.classified_at, other.model):
            latest[row.image] = row
    return list(latest.values())


def rows_of_batch(connection: Connection, batch: str) -> Iterator[Row]:
    """Every row of a batch, in no order."""
    return map(row_in, all_rows(connection.dynamodb_client, connection.facts.table, of_batch(batch)))


def _narrowest(connection: Connection, row_filter: RowFilter) -> Iterator[Item]:
    dynamodb, table = connection.dynamodb_client, connection.facts.table
    if row_filter.image is not None:
        image = {":image": {"S": uri_of(connection, row_filter.image)}}
        pages = dynamodb.get_paginator("query").paginate(
            TableName=table, KeyConditionExpression="image = :image", ExpressionAttributeValues=image
        )
        return (item for page in pages for item in page["Items"])
    value = index_value(row_filter)
    if value is not None:
        return rows_in_order(dynamodb, table, value, descending=is_descending(value))
    scanned = dynamodb.get_paginator("scan").paginate(TableName=table)
    return (item for page in scanned for item in page["Items"])
