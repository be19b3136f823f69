"""Rows that an older version wrote, without keys of today's indexes: they get them. On the local stack after each deployment."""

from __future__ import annotations

from collections.abc import Callable

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from pipeline.results.index_keys import INDEXES, index_keys
from podium.connection import Connection

HASH_KEYS = {f"#{index.hash_key}": index.hash_key for index in INDEXES}
# No row is in none of the indexes but one without batch, label and review: a classified image has a label.
WITHOUT_KEYS = " AND ".join(f"attribute_not_exists({name})" for name in HASH_KEYS)


def index_old_rows(connection: Connection, on_indexed: Callable[[int], None] = lambda _: None) -> int:
    """Give every row that no index finds its keys; how many there were. Doing it again finds none.

    A row that is written anew meanwhile has its keys from its writer, and is left alone.
    """
    indexed = 0
    pages = connection.dynamodb_client.get_paginator("scan").paginate(
        TableName=connection.facts.table, FilterExpression=WITHOUT_KEYS, ExpressionAttributeNames=HASH_KEYS
    )
    read = TypeDeserializer().deserialize
    for page in pages:
        for item in page["Items"]:
            indexed += _index(connection, {name: read(value) for name, value in item.items()})
            on_indexed(indexed)
    return indexed


def _index(connection: Connection, row: dict[str, object]) -> bool:
    dynamodb, write = connection.dynamodb_client, TypeSerializer().serialize
    keys = index_keys(row)
    try:
        dynamodb.update_item(
            TableName=connection.facts.table,
            Key={"image": write(row["image"]), "model": write(row["model"])},
            UpdateExpression="SET " + ", ".join(f"{name} = :{name}" for name in keys),
            ConditionExpression="classified_at = :classified_at AND sequencer = :sequencer",
            ExpressionAttributeValues={
                **{f":{name}": {"S": value} for name, value in keys.items()},
                ":classified_at": write(row["classified_at"]),
                ":sequencer": write(row["sequencer"]),
            },
        )
    except dynamodb.exceptions.ConditionalCheckFailedException:
        return False
    return True
