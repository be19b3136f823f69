"""Reading rows: by image, by batch, by label, or the newest of all, as a person asks for them."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from pipeline.contracts import Row
from pipeline.results.rows import record_of
from podium.connection import Connection

if TYPE_CHECKING:
    from boto3.dynamodb.conditions import ConditionBase


class Wanted(BaseModel):
    """Which rows a person wants. What an index answers is asked of the index, the rest is filtered."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    batch: str | None = None
    label: str | None = None
    min_probability: float | None = None
    status: str | None = None
    image: str | None = None
    uncertain: bool = False
    limit: int | None = None


def find(connection: Connection, wanted: Wanted) -> list[Row]:
    """The rows that match, read from the index that answers best; at most `limit` of them.

    A batch's rows come by image, a label's most confident first, what is to be reviewed newest first.
    """
    matching = (row for row in _narrowest(connection, wanted) if _matches(row, wanted))
    rows = list(islice(matching, wanted.limit))
    return sorted(rows, key=lambda row: (row.image, row.model)) if wanted.batch else rows


def rows_of_batch(connection: Connection, batch: str) -> Iterator[Row]:
    """Every row of a batch, oldest first."""
    from boto3.dynamodb.conditions import Key

    return _query(connection, Key("batch").eq(batch), IndexName="by-batch")


def _narrowest(connection: Connection, wanted: Wanted) -> Iterator[Row]:
    from boto3.dynamodb.conditions import Key

    if wanted.image:
        return _query(connection, Key("image").eq(_uri(connection, wanted.image)))
    if wanted.batch:
        return rows_of_batch(connection, wanted.batch)
    if wanted.label:
        condition: ConditionBase = Key("label").eq(wanted.label)
        if wanted.min_probability is not None:
            condition &= Key("probability").gte(Decimal(str(wanted.min_probability)))
        return _query(connection, condition, IndexName="by-label", ScanIndexForward=False)
    if wanted.uncertain:
        return _query(connection, Key("review").eq("uncertain"), IndexName="to-review", ScanIndexForward=False)
    if wanted.status == "rejected":
        return _query(connection, Key("review").eq("rejected"), IndexName="to-review", ScanIndexForward=False)
    return _pages(connection.table.scan, {})


def _uri(connection: Connection, image: str) -> str:
    """`s3://bucket/key` as it is; a bare key is one of the input bucket."""
    return image if image.startswith("s3://") else f"s3://{connection.facts.input_bucket}/{image}"


def _query(connection: Connection, condition: ConditionBase, **arguments: Any) -> Iterator[Row]:  # noqa: ANN401 - boto3's own
    return _pages(connection.table.query, {"KeyConditionExpression": condition, **arguments})


def _pages(ask: Any, arguments: dict[str, Any]) -> Iterator[Row]:  # noqa: ANN401 - boto3's query and scan share no type
    while True:
        page = ask(**arguments)
        yield from map(record_of, page["Items"])
        if "LastEvaluatedKey" not in page:
            return
        arguments = {**arguments, "ExclusiveStartKey": page["LastEvaluatedKey"]}


def _matches(row: Row, wanted: Wanted) -> bool:
    return (
        (wanted.label is None or row.label == wanted.label)
        and (wanted.min_probability is None or (row.probability or 0.0) >= wanted.min_probability)
        and (wanted.status is None or row.status == wanted.status)
        and (not wanted.uncertain or row.uncertain is not None)
    )
