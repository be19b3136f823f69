"""Rows of a bulk job obey the pipeline's contract: nothing newer is replaced, nothing that is known is written again."""

from __future__ import annotations

from datetime import UTC, datetime

from bulk.job import Job
from bulk.shards import read_table
from pipeline.contracts import Classification, ImageRef, ModelFacts, Prediction, Timings
from pipeline.results.rows import record_of
from pipeline.results.store import Store
from tests.bulk.conftest import PHOTOS, RESULTS, TABLE, Aws, photo

EVENT = "0055AED6DCD90281E5"  # as S3's events name the order of an upload


def put_by_the_queue(aws: Aws, version: str, *, etag: str, sequencer: str = EVENT, label: str = "by the queue") -> None:
    """A row as an upload's own event makes it."""
    image = ImageRef(bucket=PHOTOS, key="a.jpg", version_id=version, etag=etag, size_bytes=7, sequencer=sequencer)
    result = Classification(
        image=image, batch="monday", status="classified", predictions=(Prediction(label=label, probability=0.5, rank=1),),
        model=ModelFacts(name="balls", version="1.0"), timings=Timings(fetch_ms=1, predict_ms=1),
        classified_at=datetime(2026, 11, 1, tzinfo=UTC),
    )  # fmt: skip
    Store(aws.s3, aws.dynamodb, RESULTS, TABLE, PHOTOS).put(result)


def done(aws: Aws, job: Job) -> tuple[str, str | None]:
    """The row's label after the job, and what the job says of it."""
    aws.child(job).do(0)
    [row] = aws.rows()
    [line] = read_table(aws.s3, RESULTS, job.result_key(0)).to_pylist()
    return row["label"], line["row"]


def etag_of(aws: Aws, version: str) -> str:
    return aws.s3.head_object(Bucket=PHOTOS, Key="a.jpg", VersionId=version)["ETag"].strip('"')


def test_an_image_without_a_row_gets_one_that_every_upload_of_its_key_replaces(aws: Aws) -> None:
    aws.upload("a.jpg", photo("golf ball"))
    job = aws.job(rows=True)
    assert done(aws, job) == ("golf ball", "stored")
    [row] = aws.rows()
    assert (row["batch"], row["sequencer"], row["model"]) == ("job", "0" * 32, "balls@1.0")
    assert row["result_key"] == job.result_key(0)
    assert record_of({**row, "probability": 0.9, "top3": (), "size_bytes": 7}).status == "classified"
    put_by_the_queue(aws, "later", etag="later", sequencer="01")
    assert [row["label"] for row in aws.rows()] == ["by the queue"]


def test_a_row_about_the_same_bytes_is_not_written_again(aws: Aws) -> None:
    version = aws.upload("a.jpg", photo("golf ball"))
    put_by_the_queue(aws, version, etag=etag_of(aws, version))
    assert done(aws, aws.job(rows=True)) == ("by the queue", "already")


def test_a_row_of_an_earlier_upload_is_replaced_by_the_latest(aws: Aws) -> None:
    old = aws.upload("a.jpg", photo("old"))
    put_by_the_queue(aws, old, etag=etag_of(aws, old))
    aws.upload("a.jpg", photo("golf ball"))
    assert done(aws, aws.job(rows=True)) == ("golf ball", "stored")


def test_a_row_of_an_upload_that_is_newer_than_the_list_stays(aws: Aws) -> None:
    aws.upload("a.jpg", photo("golf ball"))
    job = aws.job(rows=True)
    new = aws.upload("a.jpg", photo("new"))
    put_by_the_queue(aws, new, etag=etag_of(aws, new))
    assert done(aws, job) == ("by the queue", "superseded")


def test_a_row_of_an_upload_that_was_deleted_since_stays(aws: Aws) -> None:
    version = aws.upload("a.jpg", photo("golf ball"))
    job = aws.job(rows=True)
    put_by_the_queue(aws, "another", etag="another")
    aws.s3.delete_object(Bucket=PHOTOS, Key="a.jpg", VersionId=version)
    assert done(aws, job) == ("by the queue", "superseded")
