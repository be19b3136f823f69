"""The rows that images have already, read a hundred at a time; of each only what tells uploads apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from pipeline.contracts import Record

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef, KeysAndAttributesTypeDef

ROWS_AT_ONCE = 100  # DynamoDB's limit on one BatchGetItem
MOST_REQUESTS = 5  # for the same hundred rows, when DynamoDB answers only a part of them

_FACTS = "image, version_id, etag, sequencer, #batch, rejected_code, classified_at"
_NAMES = {"#batch": "batch"}  # a word that DynamoDB keeps for itself


class TableBusy(Exception):
    """DynamoDB had no time for all of the rows: ask again later."""


class KnownRow(Record):
    """Of a row, what identifies its upload, and when it was made."""

    image: str
    version_id: str | None = None
    etag: str | None = None
    sequencer: str
    batch: str | None = None
    rejected_code: str | None = None
    classified_at: datetime


def known_rows(
    dynamodb: DynamoDBClient, table: str, model_ref: str, images: Sequence[str], *, all_or_none: bool = True
) -> dict[str, KnownRow]:
    """The rows that these images (`s3://bucket/key`, each once) have under the model, by image.

    DynamoDB may leave rows unread however often they are requested: TableBusy then, or without `all_or_none` the others.
    """
    found: dict[str, KnownRow] = {}
    for first in range(0, len(images), ROWS_AT_ONCE):
        keys: list[dict[str, AttributeValueTypeDef]] = [
            {"image": {"S": image}, "model": {"S": model_ref}} for image in images[first : first + ROWS_AT_ONCE]
        ]
        rows = map(_known_row, _items(dynamodb, table, keys, all_or_none=all_or_none))
        found |= {row.image: row for row in rows}
    return found


def known_rows_of(dynamodb: DynamoDBClient, table: str, image: str) -> tuple[KnownRow, ...]:
    """The image's rows under every model; there are as many as the models that ever classified it."""
    return tuple(map(_known_row, items_of_image(dynamodb, table, image, _FACTS, _NAMES)))


def items_of_image(
    dynamodb: DynamoDBClient, table: str, image: str, projection: str, names: Mapping[str, str]
) -> list[dict[str, AttributeValueTypeDef]]:
    """The projected attributes of every row of an image, as they are now, whichever batch and model they are of."""
    response = dynamodb.query(
        TableName=table,
        KeyConditionExpression="image = :image",
        ExpressionAttributeValues={":image": {"S": image}},
        ProjectionExpression=projection,
        ExpressionAttributeNames=names,
        ConsistentRead=True,
    )
    return response["Items"]


def _items(
    dynamodb: DynamoDBClient, table: str, keys: list[dict[str, AttributeValueTypeDef]], *, all_or_none: bool
) -> Iterator[dict[str, AttributeValueTypeDef]]:
    request: dict[str, KeysAndAttributesTypeDef] = {
        table: {"Keys": keys, "ProjectionExpression": _FACTS, "ExpressionAttributeNames": _NAMES}
    }
    for _ in range(MOST_REQUESTS):
        response = dynamodb.batch_get_item(RequestItems=request)
        yield from response["Responses"].get(table, [])
        unread = response.get("UnprocessedKeys", {}).get(table)
        if not unread:
            return
        request = {table: {**request[table], "Keys": unread["Keys"]}}
    if all_or_none:
        raise TableBusy(
            f"the table {table} left {len(request[table]['Keys'])} of {len(keys)} rows unread "
            f"after {MOST_REQUESTS} requests: try again later"
        )


def _known_row(item: dict[str, AttributeValueTypeDef]) -> KnownRow:
    """All of these facts are strings."""
    return KnownRow.model_validate({name: value["S"] for name, value in item.items()})
