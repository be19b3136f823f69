"""Which rows a batch is complete with: those about the uploads that it expects, or about later ones, never older ones."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.batches.ledger import QUIET_AFTER
from pipeline.batches.manifests import expected_images
from pipeline.batches.outcomes import ExpectedUpload, Outcome, expected_uploads, outcome_in
from pipeline.contracts import ExpectedImage, ImageRef, ManifestPart
from pipeline.finish.completion import Rows, later_versions, newest
from pipeline.finish.summary import summary_of, write_table
from tests.functions.conftest import INPUT, TABLE, Aws
from tests.functions.factories import ANSWERED, NOON, image_ref, server_answer
from tests.functions.finish.finishing import Desk, finishing, uploads

LATER = timedelta(minutes=1)
ELSEWHERE = "photos-of-2019"
NEWER_MODEL = server_answer(model=ANSWERED.model_copy(update={"version": "2.0"}))


@pytest.fixture
def desk(aws: Aws, aws_session: boto3.Session) -> Iterator[Desk]:
    with finishing(aws, aws_session) as desk:
        yield desk


def done(desk: Desk) -> bool:
    """Whether the batch is announced when the streams are silent and nothing has happened for long."""
    desk.streams()
    desk.tick(after=QUIET_AFTER)
    desk.streams()
    return bool(desk.announcements())


def found_elsewhere(etag: str = "e1", name: str = "ball") -> ImageRef:
    """An image of a bucket without versions, as backfill names it."""
    return image_ref(bucket=ELSEWHERE, key=f"2019/{name}.jpg", version_id=None, etag=etag, sequencer="")


def expected_of(image: ImageRef) -> ExpectedImage:
    return ExpectedImage(image=image.uri, etag=image.etag)


def test_the_row_of_another_upload_than_the_expected_one_does_not_count_for_it(aws: Aws, desk: Desk) -> None:
    last_week = aws.upload("incoming/monday/ball.jpg", b"old")
    desk.classify(last_week)
    desk.now += timedelta(days=7)
    today = aws.upload("incoming/monday/ball.jpg", b"new")
    desk.expect(today)
    assert not done(desk)
    desk.classify(today)
    assert done(desk)
    assert desk.table()[0]["classified_at"] > "2026-11-28"


def test_an_older_upload_that_is_worked_on_after_the_newer_one_was_dropped_does_not_count_for_it(
    aws: Aws, desk: Desk
) -> None:
    older, newer = [aws.upload("incoming/monday/ball.jpg", data) for data in (b"old", b"new")]
    desk.expect(newer)
    desk.now += LATER
    desk.classify(older)
    assert not done(desk)
    desk.classify(newer)
    assert done(desk)


def test_an_image_that_is_overwritten_before_its_turn_is_done_with_the_newer_uploads_row(aws: Aws, desk: Desk) -> None:
    dropped, newer = [aws.upload("incoming/monday/ball.jpg", data) for data in (b"old", b"new")]
    desk.expect(dropped)
    assert not done(desk)
    desk.classify(newer)
    desk.classify(dropped)  # superseded: it never gets a row
    assert done(desk)


def test_an_image_that_is_overwritten_after_its_turn_is_done_too(aws: Aws, desk: Desk) -> None:
    dropped, two = aws.upload("incoming/monday/ball.jpg"), aws.upload("incoming/monday/two.jpg")
    desk.expect(dropped, two)
    desk.classify(dropped)
    desk.classify(aws.upload("incoming/monday/ball.jpg", b"new"))
    desk.streams()
    assert desk.announcements() == []
    desk.classify(two)
    desk.streams()
    assert len(desk.announcements()) == 1


def test_what_was_dropped_again_is_expected_as_it_was_dropped_last(aws: Aws, desk: Desk) -> None:
    first, second = [aws.upload("incoming/monday/ball.jpg", data) for data in (b"1", b"2")]
    desk.write_part(first)
    desk.now += LATER
    desk.expect(second)
    desk.classify(first)
    assert not done(desk)
    desk.classify(second)
    assert done(desk)


def test_a_key_that_another_key_begins_with_is_another_image(aws: Aws, desk: Desk) -> None:
    desk.now = datetime(2020, 1, 1, tzinfo=UTC)  # before S3 gets the others
    desk.expect(ExpectedImage(image=f"s3://{INPUT}/incoming/monday/ball.jpg", version_id="deleted for good"))
    ball, other = aws.upload("incoming/monday/ball.jpg"), aws.upload("incoming/monday/ball.jpg.jpg")
    desk.classify(ball.model_copy(update={"version_id": other.version_id}))
    assert not done(desk)
    desk.classify(ball)
    assert done(desk)


def test_an_image_of_another_bucket_is_done_with_the_row_of_its_bytes(desk: Desk) -> None:
    image = found_elsewhere()
    desk.expect(expected_of(image))
    desk.classify(image, batch="monday")
    assert done(desk)


def test_other_bytes_of_another_bucket_count_if_they_were_seen_later(desk: Desk) -> None:
    """Two jobs over one bucket: the object changed between them, and the later job's row was first."""
    desk.classify(found_elsewhere("e0"), batch="first-job")
    desk.now += LATER
    desk.expect(expected_of(found_elsewhere("e1")))
    assert not done(desk)
    desk.classify(found_elsewhere("e2"), batch="last-job")
    assert done(desk)


def test_that_an_image_of_another_bucket_was_gone_proves_nothing_about_other_bytes(desk: Desk) -> None:
    desk.expect(expected_of(found_elsewhere("e1")))
    desk.now += LATER
    desk.reject(found_elsewhere("e0"), "gone")
    assert not done(desk)


def test_a_backfilled_image_that_an_upload_was_about_to_classify_is_done_with_the_uploads_row(
    aws: Aws, desk: Desk
) -> None:
    image = aws.upload("incoming/tuesday/ball.jpg")
    desk.expect(expected_of(image))  # the row will be in tuesday
    desk.classify(image)
    assert done(desk)
    assert [it["image"] for it in desk.table()] == [image.uri]


def test_a_row_that_has_moved_to_another_batch_counts(aws: Aws, desk: Desk) -> None:
    one, two = uploads(aws, "one", "two")
    desk.expect(one, two)
    for image in (one, two):
        desk.classify(image)
        desk.classify(image, batch="classified-again")
    desk.news(TABLE)
    desk.looker.ledger.count("monday", 2, desk.now)
    desk.streams()
    assert [it["total"] for it in desk.announcements()] == [2]


@pytest.mark.parametrize("everywhere", [True, False])
def test_many_rows_in_other_batches_are_looked_for_when_the_batch_is_quiet(
    aws: Aws, desk: Desk, everywhere: bool
) -> None:
    few = replace(desk, looker=replace(desk.looker, rows=Rows(aws.dynamodb, aws.s3, TABLE, few=3)))
    images = uploads(aws, *"abcdefgh")
    few.expect(*images)
    for image in images if everywhere else images[:-1]:
        few.classify(image, batch="classified-again")
    few.news(TABLE)
    few.looker.ledger.count("monday", 8, few.now)
    few.streams()
    assert few.announcements() == []
    assert few.entry().look_at == 12  # half of what the index does not have
    assert done(few) == everywhere


def test_rows_of_images_are_read_until_some_image_is_not_done(aws: Aws) -> None:
    images: list[str] = []
    aws.dynamodb.meta.events.register("provide-client-params.dynamodb.Query", append := record_images_in(images))
    expected = {f"s3://{INPUT}/{n}": ExpectedUpload("v", None, NOON) for n in range(8)}
    completion = Rows(aws.dynamodb, aws.s3, TABLE, few=3).completion_of("monday", expected, thorough=True)
    aws.dynamodb.meta.events.unregister("provide-client-params.dynamodb.Query", append)
    assert (len(images), completion.missing, completion.exact) == (3, 8, False)


def record_images_in(images: list[str]) -> Callable[..., None]:
    """Appends every image that a query names."""

    def append(params: dict[str, Any], **_: object) -> None:
        images.extend(value["S"] for name, value in params["ExpressionAttributeValues"].items() if name == ":image")

    return append


def test_of_the_rows_under_several_models_the_newest_is_in_the_table(aws: Aws, desk: Desk) -> None:
    one, two = uploads(aws, "one", "two")
    for image, answers in ((one, (server_answer(), NEWER_MODEL)), (two, (NEWER_MODEL, server_answer()))):
        for answer in answers:
            desk.now += LATER
            desk.classify(image, answer)
    desk.expect(one, two)
    assert done(desk)
    assert [it["model"] for it in desk.table()] == ["balls@2.0", "balls@1.0"]
    assert desk.summary()["models"] == {"balls@1.0": 1, "balls@2.0": 1}


SINCE = datetime(2026, 11, 21, 12, tzinfo=UTC)


def version(name: str, etag: str = "e", minutes: int = 0) -> dict[str, object]:
    return {"VersionId": name, "ETag": f'"{etag}"', "LastModified": SINCE + timedelta(minutes=minutes)}


@pytest.mark.parametrize(
    ("expected", "uploads", "later"),
    [
        (ExpectedUpload("b", None, SINCE), [version("c"), version("b"), version("a")], {"c"}),
        (ExpectedUpload("c", None, SINCE), [version("c"), version("b")], set()),
        (ExpectedUpload(None, "e1", SINCE), [version("c", "e2"), version("b", "e1"), version("a", "e0")], {"c"}),
        (ExpectedUpload("gone", None, SINCE), [version("c", minutes=1), version("b", minutes=-1)], {"c"}),
        (ExpectedUpload("gone", None, SINCE), [], set()),
    ],
)
def test_later_is_what_s3_lists_before(
    expected: ExpectedUpload, uploads: list[dict[str, object]], later: set[str]
) -> None:
    assert later_versions(uploads, expected) == later  # type: ignore[arg-type]


def part(at: datetime, *images: ExpectedImage) -> ManifestPart:
    return ManifestPart(batch="monday", images=images, created_at=at)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), max_size=12))
def test_the_expected_uploads_are_those_of_the_manifest(draws: list[tuple[int, int]]) -> None:
    parts = [
        part(NOON + timedelta(minutes=minute), ExpectedImage(image=f"s3://b/{image}", version_id=f"v{number}"))
        for number, (image, minute) in enumerate(draws)
    ]
    expected = {image: it.version_id for image, it in expected_images(parts).items()}
    assert {image: it.version_id for image, it in expected_uploads(parts).items()} == expected


def test_an_etag_in_quotes_is_the_same_etag() -> None:
    uploads = expected_uploads([part(NOON, ExpectedImage(image="s3://b/k", etag='"e1"'))])
    assert uploads["s3://b/k"].etag == "e1"


def outcome(image: str, **changes: object) -> Outcome:
    row = {
        "image": image,
        "model": "balls@1.0",
        "status": "classified",
        "version_id": "v1",
        "classified_at": "2026-11-21T12:00:00.000000Z",
    }
    item = {name: {"S": value} for name, value in (row | changes).items() if value is not None}
    step = {"M": {"label": {"S": "golf ball"}, "probability": {"N": "0.9"}}}
    found = outcome_in(item | {"top3": {"L": [step]}})
    assert found is not None
    return found


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3), st.sampled_from("ab")), unique=True), st.randoms())
def test_the_same_rows_give_the_same_bytes_in_whatever_order_they_come(
    draws: list[tuple[int, int, str]], shuffle: random.Random
) -> None:
    rows = [
        {
            "image": {"S": f's3://{INPUT}/incoming/monday/{image}, "été"\n.jpg'},
            "model": {"S": model},
            "status": {"S": "classified"},
            "top3": {"L": [{"M": {"label": {"S": f"ball {minute}"}, "probability": {"N": "0.900000"}}}]},
            "classified_at": {"S": f"2026-11-21T12:{minute:02d}:00.000000Z"},
        }
        for image, minute, model in draws
    ]
    expected = {row["image"]["S"]: ExpectedUpload(None, None, NOON) for row in rows}  # type: ignore[index]

    def report() -> tuple[str, str]:
        found = newest(rows, expected)
        table = StringIO()
        write_table(found, table)
        return table.getvalue(), summary_of("monday", "r", found.values(), results_key="k").model_dump_json()

    before = report()
    shuffle.shuffle(rows)
    assert report() == before


def test_a_rejection_that_only_a_newer_function_knows_is_counted_as_rejected() -> None:
    odd = outcome("s3://b/k", status="rejected", rejected_code="too_loud", rejected_reason="It is too loud.")
    summary = summary_of("monday", "r", [odd], results_key="k")
    assert (summary.rejected, summary.rejections) == (1, {})
