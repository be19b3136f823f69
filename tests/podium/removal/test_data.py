"""Buckets, tables and queues go with all that they hold."""

from __future__ import annotations

from typing import Any, cast

import pytest

from podium.connection import Connection
from podium.errors import ConsoleError
from podium.removal.data import delete_data
from podium.removal.retained import retained_here
from tests.podium.care.queues import Sqs as Changed
from tests.podium.removal.conftest import make, nothing, retained


@pytest.fixture
def left(photos: Connection) -> Connection:
    """All of it is there; the input bucket has versions, delete markers, and an upload that nobody completed."""
    for it in retained():
        make(photos, it)
    bucket = retained()[0].name
    for n in range(5):
        for data in (b"1", b"2"):
            photos.s3.put_object(Bucket=bucket, Key=f"incoming/{n}.jpg", Body=data)
        photos.s3.delete_object(Bucket=bucket, Key=f"incoming/{n}.jpg")
    photos.s3.create_multipart_upload(Bucket=bucket, Key="incoming/big.jpg")
    return photos


def test_nothing_is_left(left: Connection) -> None:
    delete_data(left, retained_here(left), nothing)
    assert retained_here(left) == []


def test_interrupted_it_goes_on_with_what_is_left(left: Connection) -> None:
    def stop(note: str) -> None:
        if note.startswith("deleting table"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        delete_data(left, retained_here(left), stop)
    still = retained_here(left)
    assert 0 < len(still) < len(retained())
    delete_data(left, still, nothing)
    assert retained_here(left) == []


def test_an_object_that_s3_does_not_delete_is_named(left: Connection) -> None:
    refusal = {"Errors": [{"Key": "incoming/3.jpg", "Code": "AccessDenied", "Message": "Access Denied"}]}
    cast(Any, left).s3 = Changed(left.s3, delete_objects=lambda **_: refusal)
    with pytest.raises(
        ConsoleError, match=r"1 versions in bucket .* the first 'incoming/3.jpg': AccessDenied, Access Denied"
    ):
        delete_data(left, retained_here(left), nothing)


def test_a_bucket_that_somebody_uploads_to_is_emptied_again(left: Connection) -> None:
    real, bucket, uploads = left.s3, retained()[0].name, iter(range(2))

    def delete_bucket(**request: Any) -> Any:  # noqa: ANN401 - boto3's own
        for n in uploads:
            real.put_object(Bucket=bucket, Key=f"incoming/late-{n}.jpg", Body=b"x")
            break
        return real.delete_bucket(**request)

    cast(Any, left).s3 = Changed(real, delete_bucket=delete_bucket)
    delete_data(left, retained_here(left), nothing)
    cast(Any, left).s3 = real
    assert retained_here(left) == []


def test_a_bucket_that_is_never_empty_is_said(left: Connection) -> None:
    real, bucket = left.s3, retained()[0].name

    def delete_bucket(**request: Any) -> Any:  # noqa: ANN401 - boto3's own
        real.put_object(Bucket=bucket, Key="incoming/late.jpg", Body=b"x")
        return real.delete_bucket(**request)

    cast(Any, left).s3 = Changed(real, delete_bucket=delete_bucket)
    with pytest.raises(ConsoleError, match="does not become empty: somebody uploads to it"):
        delete_data(left, retained_here(left), nothing)
