"""What a deployment leaves, on moto, made as template.yaml makes it; and a record of what AWS is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
from moto import mock_aws

from podium.connection import Connection
from podium.removal.retained import Retained, retained_by_template

ACCOUNT = "123456789012"  # moto's
Json = Any


@pytest.fixture
def photos(aws_session: boto3.Session, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connection]:
    """The connection of a stack `photos` that was never deployed."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        boto3.DEFAULT_SESSION = aws_session  # moto forgets it
        connection = Connection("photos")
        connection.session = aws_session
        yield connection


def retained() -> list[Retained]:
    return retained_by_template("photos", ACCOUNT, "us-east-1", "aws")


def make(connection: Connection, it: Retained) -> None:
    """The resource, as CloudFormation left it."""
    match it.kind:
        case "AWS::S3::Bucket":
            connection.s3.create_bucket(Bucket=it.name)
            connection.s3.put_bucket_versioning(Bucket=it.name, VersioningConfiguration={"Status": "Enabled"})
        case "AWS::SQS::Queue":
            connection.sqs.create_queue(QueueName=it.name)
        case _:
            properties = it.definition["Properties"]
            key = [part["AttributeName"] for part in properties["KeySchema"]]
            connection.dynamodb_client.create_table(
                TableName=it.name, BillingMode="PAY_PER_REQUEST", KeySchema=properties["KeySchema"],
                AttributeDefinitions=[one for one in properties["AttributeDefinitions"] if one["AttributeName"] in key],
            )  # fmt: skip


@contextmanager
def asked(session: boto3.Session, *operations: str) -> Iterator[list[Json]]:
    """The parameters of every request of these operations, in their order, with the operation's name first."""
    found: list[Json] = []

    def hook(model: Json, params: Json, **_: object) -> None:
        if model.name in operations:
            found.append((model.name, params["body"]))

    session.events.register("before-call", hook)
    try:
        yield found
    finally:
        session.events.unregister("before-call", hook)


def nothing(_: object) -> None:
    """Note nothing, sleep not at all."""


Note = Callable[[str], None]
