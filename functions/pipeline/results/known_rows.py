"""Which images have a row already under one model: asked a hundred at a time, and of each only what tells uploads apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pipeline.contracts import Record

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef, KeysAndAttributesTypeDef

ROWS_AT_ONCE = 100  # DynamoDB's limit on one BatchGetItem
MOST_REQUESTS = 5  # for the same hundred rows, when DynamoDB answers only a part of them


class TableBusy(Exception):
    """DynamoDB had no time for all of the rows: ask again later."""


class KnownRow(Record):
    """What a row tells about the upload that it is of."""

    image: str
    version_id: str | None = None
    etag: str | None = None
    sequencer: str
    batch: str | None = None
    rejected_code: str | None = None


def known_rows(dynamodb: DynamoDBClient, table: str, model_ref: str, images: Sequence[str]) -> dict[str, KnownRow]:
    """The rows that these images (`s3://bucket/key`, each once) have under the model, by image.

    TableBusy when DynamoDB leaves rows unread however often it is asked.
    """
    found: dict[str, KnownRow] = {}
    for first in range(0, len(images), ROWS_AT_ONCE):
        keys: list[dict[str, AttributeValueTypeDef]] = [
            {"image": {"S": image}, "model": {"S": model_ref}} for image in images[first : first + ROWS_AT_ONCE]
        ]
        rows = (KnownRow.model_validate(_plain(item)) for item in _items(dynamodb, table, keys))
        found |= {row.image: row for row in rows}
    return found


def _items(
    dynamodb: DynamoDBClient, table: str, keys: list[dict[str, AttributeValueTypeDef]]
) -> Iterator[dict[str, AttributeValueTypeDef]]:
    request: dict[str, KeysAndAttributesTypeDef] = {
        table: {
            "Keys": keys,
            "ProjectionExpression": "image, version_id, etag, sequencer, #batch, rejected_code",
            "ExpressionAttributeNames": {"#batch": "batch"},  # a word that DynamoDB keeps for itself
        }
    }
    for _ in range(MOST_REQUESTS):
        answer = dynamodb.batch_get_item(RequestItems=request)
        yield from answer["Responses"].get(table, [])
        unread = answer.get("UnprocessedKeys", {}).get(table)
        if not unread:
            return
        request = {table: {**request[table], "Keys": unread["Keys"]}}
    raise TableBusy(
        f"the table {table} left {len(request[table]['Keys'])} of {len(keys)} rows unread "
        f"after {MOST_REQUESTS} requests: try again later"
    )


def _plain(item: dict[str, AttributeValueTypeDef]) -> dict[str, str]:
    """The facts asked for are strings, all of them."""
    return {name: value["S"] for name, value in item.items()}
