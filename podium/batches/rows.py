"""Rows as the console reads them: which are wanted, and what an item of DynamoDB's API is."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from pipeline.contracts import Row
from pipeline.results.rows import record_of
from pipeline.results.shards import Item
from podium.batches.keys import may_be_batch, may_be_indexed
from podium.connection import Connection


class RowFilter(BaseModel):
    """Which rows to read; None does not narrow. An index narrows by one or two fields, the others are compared here."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    batch: str | None = None
    label: str | None = None
    min_probability: float | None = None
    status: str | None = None
    image: str | None = None
    uncertain: bool = False
    final: bool = False  # of each image the one row that counts; with a batch or an image
    limit: int | None = None


def matches(row: Row, row_filter: RowFilter) -> bool:
    """Whether the row is one of those that are wanted."""
    return (
        (row_filter.batch is None or row.batch == row_filter.batch)
        and (row_filter.label is None or row.label == row_filter.label)
        and (row_filter.min_probability is None or (row.probability or 0.0) >= row_filter.min_probability)
        and (row_filter.status is None or row.status == row_filter.status)
        and (not row_filter.uncertain or row.uncertain is not None)
    )


def may_have_rows(connection: Connection, row_filter: RowFilter) -> bool:
    """Whether such names can be; boto3 and DynamoDB refuse the others, each in its own words."""
    return (
        (row_filter.image is None or may_be_indexed(uri_of(connection, row_filter.image)))
        and (row_filter.batch is None or may_be_batch(row_filter.batch))
        and (row_filter.label is None or may_be_indexed(row_filter.label))
    )


def uri_of(connection: Connection, image: str) -> str:
    """`s3://bucket/key` as it is; a bare key is one of the input bucket."""
    return image if image.startswith("s3://") else f"s3://{connection.facts.input_bucket}/{image}"


def row_in(item: Item) -> Row:
    """The row that an item of DynamoDB's API is."""
    from boto3.dynamodb.types import TypeDeserializer

    read = TypeDeserializer().deserialize
    return record_of({name: read(value) for name, value in item.items()})
