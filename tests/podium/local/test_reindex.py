"""Rows of an older version are found as today's are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from podium.batches.results import RowFilter, find
from podium.connection import Connection
from podium.errors import ConsoleError
from podium.local.index_steps import deployed_indexes, indexes_of
from podium.local.reindex import change_indexes, check_indexes, check_left_indexes, index_old_rows, is_changing
from podium.project import ROOT
from tests.podium.conftest import INPUT, put_row
from tests.podium.local.test_index_steps import OLD

KEYS = ("batch_shard", "batch_order", "label_shard", "label_order", "review_shard", "review_order")


def forget_keys(connection: Connection) -> None:
    """Every row as the version without shards wrote it."""
    for row in connection.table.scan()["Items"]:
        connection.table.put_item(Item={name: value for name, value in row.items() if name not in KEYS})


def items_of(connection: Connection) -> list[Any]:
    return sorted(connection.table.scan()["Items"], key=lambda row: str(row["image"]))


FILTERS = [
    RowFilter(batch="monday"), RowFilter(batch="tuesday"), RowFilter(label="baseball"), RowFilter(uncertain=True),
    RowFilter(status="rejected"), RowFilter(batch="monday", label="baseball"),
]  # fmt: skip


def test_old_rows_are_found_again_by_batch_label_and_review(monday: Connection) -> None:
    before = [find(monday, it).rows for it in FILTERS]
    whole = items_of(monday)
    forget_keys(monday)
    assert [find(monday, it).total for it in FILTERS] == [0] * len(FILTERS)
    assert find(monday, RowFilter(image="incoming/tuesday/5.jpg")).total == 1
    assert index_old_rows(monday) == 5
    assert [find(monday, it).rows for it in FILTERS] == before
    assert items_of(monday) == whole
    assert index_old_rows(monday) == 0


def test_a_row_that_is_written_anew_meanwhile_is_left_alone(connection: Connection) -> None:
    put_row(connection, "incoming/monday/a.jpg")
    forget_keys(connection)
    events = connection.dynamodb_client.meta.events

    def overwritten(**_: object) -> None:
        events.unregister("before-call.dynamodb.UpdateItem", unique_id="newer")
        connection.table.update_item(
            Key={"image": f"s3://{INPUT}/incoming/monday/a.jpg", "model": "balls@1.0"},
            UpdateExpression="SET sequencer = :newer, label = :label",
            ExpressionAttributeValues={":newer": "F" * 32, ":label": "cup"},
        )

    events.register("before-call.dynamodb.UpdateItem", overwritten, unique_id="newer")
    assert index_old_rows(connection) == 0


def names_there(connection: Connection) -> list[str]:
    table = connection.dynamodb_client.describe_table(TableName=connection.facts.table)["Table"]
    return [index.name for index in deployed_indexes(table)]


def as_dynamodb_does(connection: Connection, template: str, _: Callable[[str], None]) -> None:
    """Deploy: DynamoDB adds or removes one index at once."""
    there, wanted = set(names_there(connection)), {index.name: index for index in indexes_of(template)}
    [changed] = there ^ wanted.keys()
    change: Any = {"Delete": {"IndexName": changed}}
    if changed in wanted:
        change = {"Create": wanted[changed].definition}
    types = {name: kind for index in wanted.values() for name, kind in index.key} | {"image": "S", "model": "S"}
    definitions: Any = [{"AttributeName": name, "AttributeType": kind} for name, kind in types.items()]
    connection.dynamodb_client.update_table(
        TableName=connection.facts.table, AttributeDefinitions=definitions, GlobalSecondaryIndexUpdates=[change]
    )


def test_a_stack_of_an_older_version_gets_todays_indexes_and_its_rows_their_keys(monday: Connection) -> None:
    before = [find(monday, it).rows for it in FILTERS]
    forget_keys(monday)
    make_indexes_old(monday)
    with pytest.raises(ConsoleError, match="`podium reindex --stack podium` deploys this version"):
        check_indexes(monday)
    with pytest.raises(ConsoleError, match=f"table {monday.facts.table} was left by an older version"):
        check_left_indexes(monday, monday.facts.table)
    notes: list[str] = []
    assert change_indexes(monday, lambda: index_old_rows(monday), notes.append, as_dynamodb_does) == 5
    assert notes == ["adding an index"] * 3 + ["removing an index"] * 3
    assert sorted(names_there(monday)) == sorted(
        index.name for index in indexes_of((ROOT / "template.yaml").read_text())
    )
    assert [find(monday, it).rows for it in FILTERS] == before
    assert change_indexes(monday, lambda: index_old_rows(monday), notes.append, as_dynamodb_does) == 0
    assert len(notes) == 6
    check_indexes(monday)
    check_left_indexes(monday, monday.facts.table)


def make_indexes_old(connection: Connection) -> None:
    """The table as the version before made it, with the rows that it has."""
    rows = connection.table.scan()["Items"]
    schema: Any = {
        "AttributeDefinitions": [
            {"AttributeName": name, "AttributeType": kind}
            for name, kind in {"image": "S", "model": "S", **{n: k for index in OLD for n, k in index.key}}.items()
        ],
        "KeySchema": [{"AttributeName": "image", "KeyType": "HASH"}, {"AttributeName": "model", "KeyType": "RANGE"}],
        "GlobalSecondaryIndexes": [index.definition for index in OLD],
    }
    connection.dynamodb_client.delete_table(TableName=connection.facts.table)
    connection.dynamodb_client.create_table(TableName=connection.facts.table, BillingMode="PAY_PER_REQUEST", **schema)
    for row in rows:
        connection.table.put_item(Item=row)


@pytest.mark.parametrize(
    ("statuses", "changing"),
    [([], False), (["ACTIVE", None], False), (["ACTIVE", "CREATING"], True), (["DELETING"], True)],
)
def test_an_index_that_is_made_or_removed_is_waited_for(statuses: list[str | None], changing: bool) -> None:
    indexes: Any = [{"IndexStatus": status} if status else {} for status in statuses]
    assert is_changing({"GlobalSecondaryIndexes": indexes}) == changing
