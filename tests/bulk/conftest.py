"""A job over a small bucket on moto, with a model that answers by an image's bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import boto3
import pytest
from moto import mock_aws

from bulk.child import Child
from bulk.job import Job, write_job
from bulk.listing import objects_under
from bulk.shards import write_shards
from pipeline.contracts import LabelProbability, ModelFacts, ServerAnswer
from pipeline.errors import Answer, ImageRejected
from pipeline.model_here.archive import ArchiveRef

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

PHOTOS, RESULTS, TABLE = "photos", "podium-results", "podium-results"
MODEL = ModelFacts(name="balls", version="1.0", archive_sha256="a" * 64, engine="openvino-int8")
JPEG = b"\xff\xd8\xff\xe0"
BROKEN = JPEG + b"broken"


class Aws:
    """The clients, and what the tests do with them."""

    def __init__(self, session: boto3.Session) -> None:
        self.s3: S3Client = session.client("s3")
        self.dynamodb: DynamoDBClient = session.client("dynamodb")

    def upload(self, key: str, body: bytes) -> str:
        """An image; its version."""
        return self.s3.put_object(Bucket=PHOTOS, Key=key, Body=body)["VersionId"]

    def job(self, *, rows: bool = False, shard_images: int = 8, part_images: int = 3) -> Job:
        """A job over all of the bucket, as it is now."""
        listed = objects_under(self.s3, PHOTOS, "")
        sizes = [images for _, images in write_shards(self.s3, RESULTS, "job", listed, shard_images)]
        job = Job(
            name="job", bucket=PHOTOS, archive=ArchiveRef(bucket=RESULTS, key="models/m.mar", version_id="1", sha256="a" * 64),
            model=ModelFacts(name="balls", version="1.0"), max_image_bytes=1000, images=sum(sizes), shards=len(sizes),
            part_images=part_images, rows=rows, table=TABLE, created_at=datetime(2026, 11, 30, tzinfo=UTC),
        )  # fmt: skip
        write_job(self.s3, RESULTS, job)
        return job

    def child(self, job: Job) -> Child:
        """One that classifies with `answers`."""
        return Child(self.s3, self.dynamodb, RESULTS, job, answers)

    def rows(self) -> list[dict[str, str]]:
        """All rows of the table, as texts."""
        items = self.dynamodb.scan(TableName=TABLE)["Items"]
        return [{name: str(next(iter(value.values()))) for name, value in item.items()} for item in items]


@pytest.fixture
def aws(aws_session: boto3.Session) -> Iterator[Aws]:
    """A versioned bucket of photos, a versioned one of results, and the table."""
    with mock_aws():
        found = Aws(aws_session)
        for bucket in {PHOTOS, RESULTS}:
            found.s3.create_bucket(Bucket=bucket)
            found.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        found.dynamodb.create_table(
            TableName=TABLE, BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "image", "AttributeType": "S"}, {"AttributeName": "model", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "image", "KeyType": "HASH"}, {"AttributeName": "model", "KeyType": "RANGE"}],
        )  # fmt: skip
        yield found


def photo(label: str) -> bytes:
    """An image that `answers` knows."""
    return JPEG + label.encode()


def answers(images: Sequence[bytes], *, budget_s: float) -> list[Answer]:
    """What the images say."""
    return [_answer(data) for data in images]


def _answer(data: bytes) -> Answer:
    if data == BROKEN:
        return ImageRejected("unreadable", "The image is damaged.", MODEL)
    label = LabelProbability(label=data.removeprefix(JPEG).decode(), probability=0.9)
    return ServerAnswer(model=MODEL, predictions=(label, LabelProbability(label="another", probability=0.1)))
