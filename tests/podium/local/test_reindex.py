"""Rows of an older version are found as today's are."""

from __future__ import annotations

from typing import Any

from podium.batches.results import RowFilter, find
from podium.connection import Connection
from podium.local.reindex import index_old_rows
from tests.podium.conftest import INPUT, put_row

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
