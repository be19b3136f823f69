"""Reading the rows of many images, when DynamoDB answers only for some of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.stub import Stubber

from pipeline.results.known_rows import MOST_REQUESTS, TableBusy, known_rows
from tests.functions.conftest import TABLE

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

UNREAD = {TABLE: {"Keys": [{"image": {"S": "b"}, "model": {"S": "balls@1.0"}}]}}


@pytest.fixture
def dynamodb() -> DynamoDBClient:
    return boto3.client("dynamodb", region_name="us-east-1")


@pytest.fixture
def stub(dynamodb: DynamoDBClient) -> Iterator[Stubber]:
    with Stubber(dynamodb) as stubbed:
        yield stubbed
        stubbed.assert_no_pending_responses()


def item(image: str) -> dict[str, Any]:
    facts = {"image": image, "sequencer": "0", "classified_at": "2026-11-21T12:00:00.000000Z"}
    return {name: {"S": value} for name, value in facts.items()}


def test_rows_that_dynamodb_leaves_unread_are_read_again(dynamodb: DynamoDBClient, stub: Stubber) -> None:
    stub.add_response("batch_get_item", {"Responses": {TABLE: [item("a")]}, "UnprocessedKeys": UNREAD})
    stub.add_response("batch_get_item", {"Responses": {TABLE: [item("b")]}, "UnprocessedKeys": {}})
    assert sorted(known_rows(dynamodb, TABLE, "balls@1.0", ["a", "b"])) == ["a", "b"]


def never_answers_for_b(stub: Stubber) -> None:
    stub.add_response("batch_get_item", {"Responses": {TABLE: [item("a")]}, "UnprocessedKeys": UNREAD})
    for _ in range(MOST_REQUESTS - 1):
        stub.add_response("batch_get_item", {"Responses": {}, "UnprocessedKeys": UNREAD})


def test_a_table_that_never_answers_for_all_rows_is_busy(dynamodb: DynamoDBClient, stub: Stubber) -> None:
    never_answers_for_b(stub)
    with pytest.raises(TableBusy, match="1 of 2 rows unread"):
        known_rows(dynamodb, TABLE, "balls@1.0", ["a", "b"])


def test_whoever_needs_not_all_rows_gets_the_others(dynamodb: DynamoDBClient, stub: Stubber) -> None:
    never_answers_for_b(stub)
    assert list(known_rows(dynamodb, TABLE, "balls@1.0", ["a", "b"], all_or_none=False)) == ["a"]
