"""A deployed stack as the console sees it, on moto."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import boto3
import pytest
from moto import mock_aws

from pipeline.contracts import Classification, ImageRef, ModelFacts, Prediction, Rejection, Timings
from pipeline.results.rows import row_of
from podium.connection import Connection, StackFacts
from tests.functions.template import table_schema
from tests.training.conftest import finished, photos

if TYPE_CHECKING:
    from pipeline.contracts import Status

__all__ = ["finished", "photos"]  # fixtures of the training, for its commands

INPUT = "podium-input-000000000000-us-east-1"


@pytest.fixture
def connection(aws_session: boto3.Session, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connection]:
    """Buckets, queue and table as the template makes them, and nothing in them."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        boto3.DEFAULT_SESSION = aws_session  # moto forgets it
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket=INPUT)
        s3.put_bucket_versioning(Bucket=INPUT, VersioningConfiguration={"Status": "Enabled"})
        sqs = boto3.client("sqs")
        s3.create_bucket(Bucket="podium-results")
        s3.put_bucket_versioning(Bucket="podium-results", VersioningConfiguration={"Status": "Enabled"})
        queue_url = sqs.create_queue(QueueName="podium-images")["QueueUrl"]
        dlq_url = sqs.create_queue(QueueName="podium-images-dlq")["QueueUrl"]
        dynamodb = boto3.client("dynamodb")
        dynamodb.create_table(TableName="podium-results", BillingMode="PAY_PER_REQUEST", **table_schema("ResultsTable"))
        dynamodb.create_table(
            TableName="podium-ledger",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        )
        connection = Connection("podium")
        connection.session = aws_session
        connection.facts = StackFacts(
            stack="podium", region="us-east-1", endpoint_url=None, ca_bundle=None, input_bucket=INPUT,
            results_bucket="podium-results", table="podium-results", queue_url=queue_url, dlq_url=dlq_url, mapping="mapping", ledger="podium-ledger",
            backfill_machine="arn:aws:states:us-east-1:123456789012:stateMachine:podium-backfill",
            function="podium-classify", model_server_url="http://127.0.0.1:8080",
        model_archive=None, model="balls@1.0",
        )  # fmt: skip
        yield connection


def put_row(
    connection: Connection,
    key: str,
    *,
    label: str | None = "baseball",
    probability: float = 0.9,
    version_id: str = "v1",
    uncertain: str | None = None,
    bucket: str = INPUT,
) -> None:
    """A row as the classify function writes it; without a label the image was rejected."""
    image = ImageRef(bucket=bucket, key=key, version_id=version_id, etag="e", size_bytes=10, sequencer="0A")
    status: Status = "classified" if label else "rejected"
    steps = (label, "golf ball", "tennis ball") if label else ()
    odds = (probability, (1 - probability) * 0.6, (1 - probability) * 0.4)
    classification = Classification(
        image=image,
        batch=image.batch,
        status=status,
        predictions=tuple(Prediction(rank=n + 1, label=s, probability=odds[n]) for n, s in enumerate(steps)),
        uncertain=uncertain,
        rejected=None if label else Rejection(code="empty", reason="The file is empty."),
        model=ModelFacts(name="balls", version="1.0", archive_sha256="ab"),
        timings=Timings(fetch_ms=1, predict_ms=2),
        classified_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    connection.table.put_item(Item=row_of(classification, image.result_key(INPUT), "r1"))


@pytest.fixture
def monday(connection: Connection) -> Connection:
    """Rows of two batches."""
    put_row(connection, "incoming/monday/baseball/1.jpg", probability=0.95)
    put_row(connection, "incoming/monday/baseball/2.jpg", probability=0.55, uncertain="best probability 0.55")
    put_row(connection, "incoming/monday/golf ball/3.jpg", label="baseball", probability=0.7)
    put_row(connection, "incoming/monday/4.jpg", label=None)
    put_row(connection, "incoming/tuesday/5.jpg", label="rugby ball", probability=0.99)
    return connection
