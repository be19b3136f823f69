"""An AWS in this process (moto), made as template.yaml makes it, and a model server beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from boto3.dynamodb.types import TypeDeserializer
from moto import mock_aws

from pipeline.classify.connections import Connections, open_connections
from pipeline.contracts import ImageRef, Row
from pipeline.results.reading import result_of
from pipeline.results.rows import record_of
from pipeline.settings import Settings, load_settings
from tests.functions.factories import JPEG, image_ref
from tests.functions.fake_model_server import ModelServer, running_model_server
from tests.functions.template import table_schema

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

INPUT, RESULTS, TABLE = "podium-input-000000000000-us-east-1", "podium-results-000000000000-us-east-1", "podium-results"
LEDGER = "podium-ledger"


@dataclass(frozen=True)
class Aws:
    """The deployed resources, and what a test reads from them."""

    s3: S3Client
    dynamodb: DynamoDBClient
    sqs: SQSClient
    queue_url: str
    dlq_url: str
    sequencers: Iterator[int]

    def upload(self, key: str, data: bytes = JPEG, bucket: str = INPUT) -> ImageRef:
        """Put the object, and name it as its event would."""
        answer = self.s3.put_object(Bucket=bucket, Key=key, Body=data)
        return image_ref(
            bucket=bucket,
            key=key,
            version_id=answer.get("VersionId"),
            etag=answer["ETag"].strip('"'),
            size_bytes=len(data),
            sequencer=f"{next(self.sequencers):018X}",
        )

    def rows(self) -> list[Row]:
        read = TypeDeserializer().deserialize
        items = self.dynamodb.scan(TableName=TABLE)["Items"]
        rows = [record_of({name: read(value) for name, value in item.items()}) for item in items]
        return sorted(rows, key=lambda row: row.image)

    def row(self) -> Row:
        [only] = self.rows()
        return only

    def result_of(self, row: Row) -> dict[str, Any]:
        """The JSON that the row names, in the version that it names."""
        return result_of(self.s3, RESULTS, row).model_dump(mode="json")

    def dead_letters(self) -> list[Any]:
        answer = self.sqs.receive_message(
            QueueUrl=self.dlq_url, MessageAttributeNames=["All"], MaxNumberOfMessages=10, VisibilityTimeout=0
        )
        return answer.get("Messages", [])


Clients = tuple["S3Client", "DynamoDBClient", "SQSClient"]


@pytest.fixture(scope="session")
def clients(aws_session: boto3.Session) -> Clients:
    """Made once: making them takes longer than a test. They reach moto, or nothing."""
    return aws_session.client("s3"), aws_session.client("dynamodb"), aws_session.client("sqs")


@pytest.fixture
def aws(clients: Clients, aws_session: boto3.Session, monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    for variable in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(variable, raising=False)
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(variable, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    s3, dynamodb, sqs = clients
    with mock_aws():
        boto3.DEFAULT_SESSION = aws_session  # moto forgets it
        for bucket in (INPUT, RESULTS):
            s3.create_bucket(Bucket=bucket)
            s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        dynamodb.create_table(TableName=TABLE, BillingMode="PAY_PER_REQUEST", **table_schema("ResultsTable"))
        dynamodb.create_table(TableName=LEDGER, BillingMode="PAY_PER_REQUEST", **table_schema("LedgerTable"))
        queue_url = sqs.create_queue(QueueName="podium-images")["QueueUrl"]
        dlq_url = sqs.create_queue(QueueName="podium-images-dlq")["QueueUrl"]
        yield Aws(s3, dynamodb, sqs, queue_url, dlq_url, count(1))
        open_connections.cache_clear()


@pytest.fixture
def model_server() -> Iterator[ModelServer]:
    with running_model_server() as server:
        yield server


@pytest.fixture
def settings(aws: Aws, model_server: ModelServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """The settings of a function that is deployed beside these resources; in the environment, too."""
    environment = {
        "INPUT_BUCKET": INPUT,
        "RESULTS_BUCKET": RESULTS,
        "RESULTS": "each",
        "TABLE_NAME": TABLE,
        "LEDGER_NAME": LEDGER,
        "QUEUE_URL": aws.queue_url,
        "DLQ_URL": aws.dlq_url,
        "MODEL_SERVER_URL": model_server.url,
        "MODEL_SERVER_TOKEN_SECRET": "",
        "MODEL_ARCHIVE": "",
        "MODEL_ARCHIVE_VERSION": "",
        "MODEL_ARCHIVE_SHA256": "",
        "MODEL_NAME": "balls",
        "MODEL_VERSION": "1.0",
        "MAX_IMAGE_BYTES": "10485760",
        "MAX_RECEIVES": "10",
        "PREDICT_TIMEOUT_S": "20",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    load_settings.cache_clear()
    yield load_settings(Settings)
    load_settings.cache_clear()


@pytest.fixture
def connections(settings: Settings) -> Connections:
    return open_connections(settings)
