"""What outlives a stack, by template.yaml, and what of it is there."""

from __future__ import annotations

import pytest

from podium.connection import Connection
from podium.errors import ConsoleError
from podium.removal.retained import held_by, retained_here
from tests.podium.removal.conftest import ACCOUNT, make, retained


def test_the_template_retains_its_buckets_tables_and_dead_letters_and_nothing_else() -> None:
    names = {it.logical_id: str(it) for it in retained()}
    assert (
        names.items()
        >= {
            "InputBucket": f"bucket photos-input-{ACCOUNT}-us-east-1",
            "ResultsBucket": f"bucket photos-results-{ACCOUNT}-us-east-1",
            "ResultsTable": "table photos-results",
            "LedgerTable": "table photos-ledger",
            "ImagesDeadLetterQueue": "queue photos-images-dlq",
        }.items()
    )
    assert "ImagesQueue" not in names


def test_only_what_is_there_is_left(photos: Connection) -> None:
    assert retained_here(photos) == []
    made = retained()[1:]
    for it in made:
        make(photos, it)
    assert [it.name for it in retained_here(photos)] == [it.name for it in made]


def test_another_program_s_table_of_that_name_is_never_taken_for_ours(photos: Connection) -> None:
    photos.dynamodb_client.create_table(
        TableName="photos-results", BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "customer", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "customer", "AttributeType": "S"}],
    )  # fmt: skip
    with pytest.raises(ConsoleError, match=r"table photos-results is not one that Podium made: its key is customer\."):
        retained_here(photos)


def test_what_each_holds_is_counted_with_versions_markers_and_unfinished_uploads(photos: Connection) -> None:
    for it in retained():
        make(photos, it)
    bucket = retained()[0].name
    for data in (b"1", b"2"):
        photos.s3.put_object(Bucket=bucket, Key="incoming/a.jpg", Body=data)
    photos.s3.delete_object(Bucket=bucket, Key="incoming/a.jpg")
    photos.s3.create_multipart_upload(Bucket=bucket, Key="incoming/b.jpg")
    photos.sqs.send_message(
        QueueUrl=photos.sqs.get_queue_url(QueueName="photos-images-dlq")["QueueUrl"], MessageBody="dead"
    )
    held = [str(held_by(photos, it)) for it in retained_here(photos)]
    assert f"bucket {bucket} (3 versions of objects, 1 unfinished uploads)" in held
    assert "queue photos-images-dlq (about 1 messages)" in held
    assert "table photos-ledger (about 0 rows)" in held
