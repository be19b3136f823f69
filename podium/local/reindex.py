"""Stacks and rows of an older version: they get today's indexes, and the keys by which these find a row."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from pipeline.results.index_keys import INDEXES, index_keys
from podium.connection import Connection
from podium.errors import ConsoleError
from podium.local.deployment import deploy_step_to_aws
from podium.local.index_steps import GlobalIndex, additions, deployed_indexes, removals
from podium.project import ROOT

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import TableDescriptionTypeDef

POLL_S = 10.0
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


def check_indexes(connection: Connection) -> None:
    """ConsoleError if an update of the stack on AWS would change more than one index, which CloudFormation refuses."""
    if _steps(_indexes_there(connection)) > 1:
        raise ConsoleError(
            f"the table of stack {connection.stack!r} has indexes of an older version, and an update of CloudFormation adds "
            f"or removes one. `podium reindex --stack {connection.stack}` deploys this version in as many updates as that takes."
        )


def check_left_indexes(connection: Connection, table: str) -> None:
    """ConsoleError if the results table that a former stack left has other indexes than a new stack's, by more than one."""
    if _steps(deployed_indexes(connection.dynamodb_client.describe_table(TableName=table)["Table"])) > 1:
        raise ConsoleError(
            f"table {table} was left by an older version, whose indexes differ, and CloudFormation changes one an update. Deploy "
            f"that version once more under this name, then run `podium reindex --stack {connection.stack}`; or deploy under "
            "another name."
        )


def change_indexes(
    connection: Connection,
    index_rows: Callable[[], int],
    note: Callable[[str], None],
    deploy: Callable[[Connection, str, Callable[[str], None]], None] | None = None,
) -> int:
    """Give a stack on AWS the indexes of template.yaml, one an update, and the old rows their keys; how many these were.

    Rows come after the new indexes, when only today's functions write, and before the old ones go. Stopped anywhere, it
    goes on there when it is done again.
    """
    template = (ROOT / "template.yaml").read_text(encoding="utf-8")
    for step in additions(template, _indexes_there(connection)):
        note("adding an index")
        (deploy or _deploy)(connection, step, note)
    indexed = index_rows()
    for step in removals(template, _indexes_there(connection)):
        note("removing an index")
        (deploy or _deploy)(connection, step, note)
    return indexed


def _deploy(connection: Connection, template: str, note: Callable[[str], None]) -> None:
    """Deploy this step, and wait until DynamoDB has done what CloudFormation only began."""
    architecture = connection.parameters["Architecture"]
    deploy_step_to_aws(connection.stack, connection.facts.region, architecture, template, note)
    while is_changing(_table(connection)):
        note("DynamoDB fills or removes the index")
        time.sleep(POLL_S)


def is_changing(table: TableDescriptionTypeDef) -> bool:
    """Whether DynamoDB is still at work on an index; the embedded AWS gives those no status that came with the table."""
    return any(it.get("IndexStatus", "ACTIVE") != "ACTIVE" for it in table.get("GlobalSecondaryIndexes", []))


def _steps(there: list[GlobalIndex]) -> int:
    template = (ROOT / "template.yaml").read_text(encoding="utf-8")
    return len(additions(template, there)) + len(removals(template, there))


def _indexes_there(connection: Connection) -> list[GlobalIndex]:
    return deployed_indexes(_table(connection))


def _table(connection: Connection) -> TableDescriptionTypeDef:
    return connection.dynamodb_client.describe_table(TableName=connection.facts.table)["Table"]


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
