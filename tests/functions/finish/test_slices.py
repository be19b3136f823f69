"""A batch that is too large for the function's memory is looked at in slices, and announced as any other."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import boto3
import pytest
from botocore.exceptions import ClientError
from moto.s3 import models as moto_s3

from pipeline.batches.ledger import QUIET_AFTER
from pipeline.batches.manifests import part_keys, revision_of
from pipeline.contracts import ImageRef
from pipeline.finish.announcement import CLAIM_LASTS
from pipeline.finish.look import MOST_IMAGES
from pipeline.finish.slices import Slices, slices_for
from pipeline.finish.summary import COLUMNS
from pipeline.results.index_keys import SHARDS, shard_of, shards_of_slice, slice_of
from tests.functions.conftest import RESULTS, Aws
from tests.functions.finish.finishing import Desk, finishing, uploads

MOST = 10  # images at once


@pytest.fixture
def desk(aws: Aws, aws_session: boto3.Session) -> Iterator[Desk]:
    with finishing(aws, aws_session) as made:
        made.looker = dataclasses.replace(made.looker, most_images=MOST)
        yield made


def large(aws: Aws, desk: Desk, images: int = 60) -> list[ImageRef]:
    """A batch of so many images, which is open."""
    found = list(uploads(aws, *(f"{number:03}" for number in range(images))))
    desk.expect(*found)
    return found


@contextmanager
def keys_of(aws: Aws, operation: str) -> Iterator[list[str]]:
    """The keys of all such requests."""
    keys: list[str] = []

    def note(params: dict[str, str], **_: object) -> None:
        keys.append(params["Key"])

    aws.s3.meta.events.register(f"before-parameter-build.s3.{operation}", note)
    yield keys
    aws.s3.meta.events.unregister(f"before-parameter-build.s3.{operation}", note)


def names(desk: Desk) -> list[str]:
    return [line["key"].rpartition("/")[2] for line in desk.table()]


@pytest.mark.parametrize("images", [11, 60, 300])
def test_a_large_batch_is_announced_once_with_every_image_once(aws: Aws, desk: Desk, images: int) -> None:
    found = large(aws, desk, images)
    for number, image in enumerate(found):
        if number % 10:
            desk.classify(image)
        else:
            desk.reject(image)
    desk.streams(rounds=20 + 2 * slices_for(images, MOST))
    [detail] = desk.announcements()
    rejected = -(-images // 10)
    assert (detail["total"], detail["classified"], detail["rejected"]) == (images, images - rejected, rejected)
    assert sorted(names(desk)) == [f"{number:03}.jpg" for number in range(images)]
    assert desk.read(detail["results"]).count(",".join(COLUMNS)) == 1
    summary = desk.summary()
    assert summary["labels"] == {"golf ball": images - rejected}
    assert summary["rejections"] == {"empty": rejected}
    assert summary["models"] == {"balls@1.0": images}
    assert summary["batch"] == "monday"
    assert summary["first_classified_at"] == summary["last_classified_at"] == "2026-11-21T12:00:00Z"
    desk.tick(after=timedelta(hours=1))
    assert desk.announcements() == []


def test_no_look_reads_more_than_it_has_memory_for(aws: Aws, desk: Desk) -> None:
    """The images of a slice, and of no other."""
    found = large(aws, desk, 120)
    slices = slices_for(len(found), MOST)
    for number in range(slices):
        part = Slices(aws.s3, RESULTS, "monday", "r", slices).slice(number)
        own = [image.uri for image in found if part.has(image.uri)]
        assert {shard_of(image) for image in own} <= set(part.shards)


@pytest.mark.parametrize("missing", [0, 17, 59])
def test_a_large_batch_waits_for_each_of_its_images(aws: Aws, desk: Desk, missing: int) -> None:
    found = large(aws, desk)
    for number, image in enumerate(found):
        if number != missing:
            desk.classify(image)
    desk.streams()
    assert desk.announcements() == []
    assert desk.entry().announcing_until is None
    desk.classify(found[missing])
    desk.streams()
    assert [it["total"] for it in desk.announcements()] == [60]


def test_slices_that_are_written_down_are_not_looked_at_again(aws: Aws, desk: Desk) -> None:
    for image in large(aws, desk):
        desk.classify(image)
    desk.looker.ledger.count("monday", 60, desk.now)
    written: list[str] = []
    aws.s3.meta.events.register(
        "before-parameter-build.s3.PutObject", lambda params, **_: written.append(params["Key"])
    )
    slices = slices_for(60, MOST)
    for number in range(slices):
        assert desk.entry().next_slice == number
        desk.tick()
    desk.tick()
    tables = [key for key in written if key.endswith(".csv") and "/slices/" in key]
    assert len(tables) == len(set(tables)) == slices
    assert len(desk.announcements()) == 1


def test_a_function_that_died_over_a_slice_is_replaced_when_it_cannot_live_any_more(aws: Aws, desk: Desk) -> None:
    for image in large(aws, desk):
        desk.classify(image)
    desk.looker.ledger.count("monday", 60, desk.now)
    entry = desk.entry()
    assert desk.looker.ledger.claim(entry, desk.now, until=desk.now + CLAIM_LASTS)
    desk.tick()
    assert desk.entry().next_slice == 0
    desk.tick(after=CLAIM_LASTS + timedelta(seconds=1))
    assert desk.entry().next_slice == 1
    desk.streams()
    assert len(desk.announcements()) == 1


def test_a_large_batch_that_grows_begins_anew_with_its_slices(aws: Aws, desk: Desk) -> None:
    for image in large(aws, desk):
        desk.classify(image)
    desk.looker.ledger.count("monday", 60, desk.now)
    desk.tick()
    assert desk.entry().next_slice == 1
    [late] = uploads(aws, "late")
    desk.expect(late)
    assert desk.entry().next_slice == 0
    desk.classify(late)
    desk.streams()
    assert [it["total"] for it in desk.announcements()] == [61]
    assert len(names(desk)) == 61


def test_a_manifest_that_cannot_be_read_does_not_bring_looks_for_ever(
    aws: Aws, desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    large(aws, desk)
    aws.s3.put_object(Bucket=RESULTS, Key="batches/monday/manifest/x.json", Body=b"[]")
    revision = revision_of(part_keys(aws.s3, RESULTS, "monday"))
    desk.looker.ledger.open("monday", expected=60, revision=revision, now=desk.now)
    desk.looker.ledger.count("monday", 60, desk.now)
    desk.streams()  # raises if it goes on for ever
    assert caplog.messages == ["manifest unreadable"]


def test_a_manifest_that_has_grown_large_and_lost_its_writer_is_counted_and_taken(aws: Aws, desk: Desk) -> None:
    first, *others = uploads(aws, *(f"{number:03}" for number in range(61)))
    desk.expect(first)
    desk.write_part(*others)
    for image in (first, *others):
        desk.classify(image)
    desk.tick(after=QUIET_AFTER)
    assert desk.entry().expected == 61
    desk.streams()
    assert [it["total"] for it in desk.announcements()] == [61]


def test_aws_refusing_a_slice_gives_the_claim_back(aws: Aws, desk: Desk) -> None:
    for image in large(aws, desk):
        desk.classify(image)
    desk.looker.ledger.count("monday", 60, desk.now)

    def refuse(params: dict[str, str], **_: object) -> None:
        if "/slices/" in params["Key"]:
            raise ClientError({"Error": {"Code": "SlowDown", "Message": "no"}}, "PutObject")

    aws.s3.meta.events.register("before-parameter-build.s3.PutObject", refuse)
    try:
        with pytest.raises(ExceptionGroup):
            desk.tick()
    finally:
        aws.s3.meta.events.unregister("before-parameter-build.s3.PutObject", refuse)
    assert desk.entry().announcing_until is None
    desk.streams()
    assert len(desk.announcements()) == 1


def test_s3_puts_large_tables_together_itself(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    """moto, as S3, refuses parts of less than 5 MiB; here it takes those of 100 bytes."""
    monkeypatch.setattr(moto_s3, "S3_UPLOAD_PART_MIN_SIZE", 100)
    slices = Slices(aws.s3, RESULTS, "été 100% + 1", "r", 4, least_part_bytes=100)
    for number, letter in enumerate("abcd"):
        size = 100 if number < 3 else 7
        aws.s3.put_object(Bucket=RESULTS, Key=f"{slices.slice(number).key}.csv", Body=letter.encode() * size)
    with keys_of(aws, "GetObject") as read:
        slices.write_table("batches/été 100% + 1/results.csv")
    assert read == []
    whole = aws.s3.get_object(Bucket=RESULTS, Key="batches/été 100% + 1/results.csv")
    assert whole["Body"].read() == b"a" * 100 + b"b" * 100 + b"c" * 100 + b"d" * 7
    assert whole["ContentType"] == "text/csv; charset=utf-8"


def test_slices_are_whole_shards_or_parts_of_one() -> None:
    assert [slices_for(MOST_IMAGES * times, MOST_IMAGES) for times in (1, 2, 4, 14, 15, 20, 200)] == [
        2,
        4,
        8,
        16,
        32,
        32,
        224,
    ]
    for slices in (1, 2, 4, 8, 16, 32, 48):
        covered = [shard for number in range(slices) for shard in shards_of_slice(number, slices)]
        assert sorted(covered) == sorted(list(range(SHARDS)) * max(1, slices // SHARDS))
        for image in map(str, range(100)):
            assert shard_of(image) in shards_of_slice(slice_of(image, slices), slices)


def test_slices_of_ten_million_images_fit() -> None:
    slices, images = slices_for(10_000_000, MOST_IMAGES), 200_000
    sizes = [0] * slices
    for number in range(images):
        sizes[slice_of(f"s3://in/incoming/monday/{number:08}.jpg", slices)] += 1
    assert max(sizes) * (10_000_000 / images) < MOST_IMAGES
