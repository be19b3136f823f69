"""Batches whose entry of the ledger was lost with the minute before a kill: opened again from their manifests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pipeline.batches.ledger import Ledger
from pipeline.contracts import BatchSummary, ExpectedImage
from podium.batches.drop import expect
from podium.connection import Connection
from podium.local.reopen import open_batches_again

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
LATER = NOON + timedelta(minutes=5)
LEDGER = "podium-ledger"


def images(*names: str) -> list[ExpectedImage]:
    return [ExpectedImage(image=f"s3://in/incoming/{name}", version_id="1", etag="e") for name in names]


def forget(connection: Connection, batch: str) -> None:
    """What a kill does: rows that came later count, and nobody knows of how many."""
    connection.dynamodb_client.delete_item(TableName=LEDGER, Key={"id": {"S": f"batch/{batch}"}})
    Ledger(connection.dynamodb_client, LEDGER).count(batch, 1, NOON)


def summarize(connection: Connection, batch: str, revision: str) -> None:
    summary = BatchSummary(
        batch=batch, revision=revision, total=1, classified=1, rejected=0, uncertain=0, labels={}, rejections={}, models={},
        first_classified_at=None, last_classified_at=None, results_key="r",
    )  # fmt: skip
    key = f"batches/{batch}/summary.json"
    connection.s3.put_object(Bucket="podium-results", Key=key, Body=summary.model_dump_json().encode())


def test_a_batch_that_the_ledger_has_forgotten_is_open_again(connection: Connection) -> None:
    expect(connection, "été + 1", images("été + 1/a.jpg", "été + 1/b.jpg"), NOON)
    forget(connection, "été + 1")
    ledger = Ledger(connection.dynamodb_client, LEDGER)
    assert not list(ledger.open_batches())
    assert open_batches_again(connection, LATER) == ["été + 1"]
    [entry] = ledger.open_batches()
    assert (entry.batch, entry.expected) == ("été + 1", 2)
    assert open_batches_again(connection, LATER) == []


def test_a_batch_that_grew_expects_all_its_images_again(connection: Connection) -> None:
    ledger = Ledger(connection.dynamodb_client, LEDGER)
    expect(connection, "monday", images("monday/a.jpg"), NOON)
    before = ledger.read("monday")
    assert before is not None
    expect(connection, "monday", images("monday/b.jpg"), NOON)
    ledger.open("monday", expected=1, revision=before.revision, now=NOON)  # the state of a minute before
    summarize(connection, "monday", before.revision)
    assert open_batches_again(connection, LATER) == ["monday"]
    assert [entry.expected for entry in ledger.open_batches()] == [2]


def test_a_batch_that_was_announced_is_not_announced_again(connection: Connection) -> None:
    expect(connection, "monday", images("monday/a.jpg"), NOON)
    entry = Ledger(connection.dynamodb_client, LEDGER).read("monday")
    assert entry is not None
    summarize(connection, "monday", entry.revision)
    forget(connection, "monday")
    connection.s3.put_object(Bucket="podium-results", Key="batches/other/summary.json", Body=b"{")
    assert open_batches_again(connection, LATER) == []
    assert not list(Ledger(connection.dynamodb_client, LEDGER).open_batches())
