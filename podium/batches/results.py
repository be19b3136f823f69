"""Reading rows: by image, batch, label or review, or any."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from pipeline.contracts import Row
from pipeline.results.rows import record_of
from podium.batches.keys import may_be_batch, may_be_indexed
from podium.connection import Connection

if TYPE_CHECKING:
    from boto3.dynamodb.conditions import ConditionBase


COUNTED = 10_000  # rows beyond a limit: some seconds' reading


class RowFilter(BaseModel):
    """Which rows to read; None does not narrow. An index narrows by one field, the others are compared here."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    batch: str | None = None
    label: str | None = None
    min_probability: float | None = None
    status: str | None = None
    image: str | None = None
    uncertain: bool = False
    final: bool = False  # of each image the one row that counts; with a batch or an image
    limit: int | None = None


@dataclass(frozen=True)
class Found:
    """The rows that match, at most as many as were wanted, and how many match."""

    rows: Sequence[Row]
    total: int
    at_least: bool = False  # more may match: counting ended

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

    A batch's rows are sorted by image, a label's by probability, highest first, and rows to review by time, newest first.
    """
    read = _narrowest(connection, row_filter) if _may_have_rows(connection, row_filter) else iter(())
    read = iter(final_rows(read)) if row_filter.final else read
    matching = (row for row in read if _matches(row, row_filter))
    rows = list(islice(matching, row_filter.limit))
    beyond = 0 if row_filter.limit is None else sum(1 for _ in islice(matching, count_to))
    if row_filter.batch is not None:
        rows.sort(key=lambda row: (row.image, row.model))
    return Found(rows, len(rows) + beyond, at_least=beyond == count_to and next(matching, None) is not None)


def final_rows(rows: Iterable[Row]) -> list[Row]:
    """Of each image one row: of its latest upload, the one that was made last, of whichever model."""
    latest: dict[str, Row] = {}
    for row in rows:
        other = latest.setdefault(row.image, row)
        if (row.sequencer, row.classified_at, row.model) > (other.sequencer, other.classified_at, other.model):
            latest[row.image] = row
    return list(latest.values())


def _may_have_rows(connection: Connection, row_filter: RowFilter) -> bool:
    """Whether such names can be; boto3 and DynamoDB refuse the others, each in its own words."""
    return (
        (row_filter.image is None or may_be_indexed(uri_of(connection, row_filter.image)))
        and (row_filter.batch is None or may_be_batch(row_filter.batch))
        and (row_filter.label is None or may_be_indexed(row_filter.label))
    )


def rows_of_batch(connection: Connection, batch: str) -> Iterator[Row]:
    """Every row of a batch, oldest first."""
    from boto3.dynamodb.conditions import Key

    return _query(connection, Key("batch").eq(batch), IndexName="by-batch")


def _narrowest(connection: Connection, row_filter: RowFilter) -> Iterator[Row]:
    from boto3.dynamodb.conditions import Key

    if row_filter.image is not None:
        return _query(connection, Key("image").eq(uri_of(connection, row_filter.image)))
    if row_filter.batch is not None:
        return rows_of_batch(connection, row_filter.batch)
    if row_filter.label is not None:
        condition: ConditionBase = Key("label").eq(row_filter.label)
        if row_filter.min_probability is not None:
            condition &= Key("probability").gte(Decimal(str(row_filter.min_probability)))
        return _query(connection, condition, IndexName="by-label", ScanIndexForward=False)
    if row_filter.uncertain:
        return _query(connection, Key("review").eq("uncertain"), IndexName="to-review", ScanIndexForward=False)
    if row_filter.status == "rejected":
        return _query(connection, Key("review").eq("rejected"), IndexName="to-review", ScanIndexForward=False)
    return _pages(connection.table.scan, {})


def uri_of(connection: Connection, image: str) -> str:
    """`s3://bucket/key` as it is; a bare key is one of the input bucket."""
    return image if image.startswith("s3://") else f"s3://{connection.facts.input_bucket}/{image}"


def _query(connection: Connection, condition: ConditionBase, **arguments: Any) -> Iterator[Row]:  # noqa: ANN401 - boto3's own
    return _pages(connection.table.query, {"KeyConditionExpression": condition, **arguments})


def _pages(read: Any, arguments: dict[str, Any]) -> Iterator[Row]:  # noqa: ANN401 - boto3's query and scan share no type
    while True:
        page = read(**arguments)
        yield from map(record_of, page["Items"])
        if "LastEvaluatedKey" not in page:
            return
        arguments = {**arguments, "ExclusiveStartKey": page["LastEvaluatedKey"]}


def _matches(row: Row, row_filter: RowFilter) -> bool:
    return (
        (row_filter.batch is None or row.batch == row_filter.batch)
        and (row_filter.label is None or row.label == row_filter.label)
        and (row_filter.min_probability is None or (row.probability or 0.0) >= row_filter.min_probability)
        and (row_filter.status is None or row.status == row_filter.status)
        and (not row_filter.uncertain or row.uncertain is not None)
    )
