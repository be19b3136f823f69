"""Watching a batch: what is expected, what is done, how fast, and for how long yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipeline.batches.ledger import Ledger
from pipeline.batches.manifests import part_keys, revision_of, write_part
from pipeline.batches.outcomes import Outcome
from pipeline.contracts import ExpectedImage, ManifestPart
from pipeline.finish.announcement import Announcer
from pipeline.results.index_keys import SHARDS, shard_of
from podium.batches.watch import (
    RATE_OVER_S,
    ROWS_A_SECOND,
    STUCK_AFTER_S,
    STUCK_NAMED,
    BatchProgress,
    RateMeter,
    check_finished,
    shards_a_look,
    watch,
)
from podium.connection import Connection
from podium.errors import ConsoleError
from tests.podium.conftest import INPUT, put_row

RESULTS = "podium-results"
BALL = "incoming/monday/ball.jpg"
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LATER = timedelta(minutes=1)


def upload(connection: Connection, key: str = BALL) -> str:
    """By other tools than `podium drop`."""
    return connection.s3.put_object(Bucket=INPUT, Key=key, Body=b"x")["VersionId"]


def expect(connection: Connection, *images: ExpectedImage, at: datetime = NOON) -> None:
    write_part(connection.s3, RESULTS, ManifestPart(batch="monday", images=images, created_at=at))


class Clock:
    """A clock on which no sleep takes time; whoever sleeps gives the next of these their turn."""

    def __init__(self, *meanwhile: Callable[[], object], oversleeps_s: float = 0.0) -> None:
        self.now_s = 0.0
        self.oversleeps_s = oversleeps_s
        self.meanwhile = list(meanwhile)

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds + self.oversleeps_s
        if self.meanwhile:
            self.meanwhile.pop(0)()


def seen(
    connection: Connection, clock: Clock, batch: str = "monday", timeout_s: float | None = 60
) -> Iterator[BatchProgress]:
    return watch(connection, batch, timeout_s=timeout_s, clock_s=lambda: clock.now_s, sleep=clock.sleep)


def test_a_batch_is_finished_when_every_image_has_a_result(connection: Connection) -> None:
    for number in range(3):
        key = f"incoming/monday/{number}.jpg"
        put_row(connection, key, label="baseball" if number else None, version_id=upload(connection, key))
    (last,) = seen(connection, Clock())
    assert (last.total, last.classified, last.rejected, last.waiting, last.seconds_left) == (3, 2, 1, 0, 0)


def test_an_overwritten_image_waits_until_its_new_version_has_a_result(connection: Connection) -> None:
    put_row(connection, BALL, version_id=upload(connection))
    newer = upload(connection)
    clock = Clock(lambda: None, lambda: put_row(connection, BALL, version_id=newer))
    assert [now.waiting for now in seen(connection, clock)] == [1, 1, 0]


def test_a_watch_ends_when_its_time_is_up(connection: Connection) -> None:
    upload(connection)
    clock = Clock()
    assert {now.waiting for now in seen(connection, clock, timeout_s=5)} == {1}
    assert clock.now_s == 5


def test_images_that_wait_are_named_when_nothing_was_done_for_long_and_when_the_time_is_up(
    connection: Connection,
) -> None:
    for number in range(STUCK_NAMED + 1):
        upload(connection, f"incoming/monday/{number}.jpg")
    upload(connection, "incoming/monday/z\ny.jpg")
    looks = list(seen(connection, Clock(), timeout_s=STUCK_AFTER_S + 2))
    first = next(place for place, now in enumerate(looks) if now.stuck)
    assert first == STUCK_AFTER_S
    wanted = tuple(f"s3://{INPUT}/incoming/monday/{name}" for name in ("z\ny.jpg", "0.jpg", "1.jpg"))
    assert looks[first].stuck == looks[-1].stuck == wanted
    short = list(seen(connection, Clock(), timeout_s=5))
    assert [bool(now.stuck) for now in short] == [False] * (len(short) - 1) + [True]


@pytest.mark.parametrize(
    ("batch", "sentence"),
    [
        ("tuesday", "batch 'tuesday' is empty. `podium drop PATH --batch tuesday` fills it."),
        ("tuesdy", "there is no batch 'tuesdy'. Did you mean 'tuesday'? `podium drop PATH --batch tuesdy` fills it."),
        ("q w", "there is no batch 'q w'. `podium drop PATH --batch 'q w'` fills it."),
        ("a/b", "there is no batch 'a/b'."),
        ("nl\nx", "there is no batch 'nl\\nx'."),
        ("a\udcff", "there is no batch 'a\\udcff'."),
        ("x" * 3000, f"there is no batch '{'x' * 200}...'."),
    ],
)
def test_a_batch_without_images_is_told_the_nearest_name_and_how_to_fill_it(
    connection: Connection, batch: str, sentence: str
) -> None:
    ledger = Ledger(connection.dynamodb_client, connection.facts.ledger)
    ledger.open("tuesday", expected=1, revision="r", now=datetime.now(UTC))
    with pytest.raises(ConsoleError) as told:
        next(seen(connection, Clock(), batch))
    assert str(told.value) == sentence


def test_what_was_dropped_and_what_came_by_other_tools_is_expected(connection: Connection) -> None:
    dropped, copied = upload(connection), upload(connection, "incoming/monday/copied.jpg")
    expect(connection, ExpectedImage(image=f"s3://{INPUT}/{BALL}", version_id=dropped))
    put_row(connection, BALL, version_id=dropped)
    clock = Clock(lambda: put_row(connection, "incoming/monday/copied.jpg", version_id=copied))
    assert [(now.total, now.waiting) for now in seen(connection, clock)] == [(2, 1), (2, 0)]


def test_a_backfilled_image_is_done_with_the_row_of_its_etag(connection: Connection) -> None:
    expect(connection, ExpectedImage(image=f"s3://{INPUT}/{BALL}", etag="e"))
    clock = Clock(lambda: put_row(connection, BALL))  # its etag is e
    assert [now.waiting for now in seen(connection, clock)] == [1, 0]


def test_a_manifest_that_grows_is_watched_as_it_grows(connection: Connection) -> None:
    other = "incoming/monday/other.jpg"
    expect(connection, ExpectedImage(image=f"s3://{INPUT}/{BALL}", etag="e"))

    def grow() -> None:
        put_row(connection, other)
        expect(connection, ExpectedImage(image=f"s3://{INPUT}/{other}", etag="e"))

    clock = Clock(grow, lambda: put_row(connection, BALL))
    assert [(now.total, now.waiting) for now in seen(connection, clock)] == [(1, 1), (2, 1), (2, 0)]


def test_an_image_that_is_expected_anew_waits_again(connection: Connection) -> None:
    image, other = f"s3://{INPUT}/{BALL}", f"s3://{INPUT}/incoming/monday/other.jpg"
    expect(connection, ExpectedImage(image=image, etag="e"), ExpectedImage(image=other, etag="e"))
    put_row(connection, BALL)
    clock = Clock(lambda: expect(connection, ExpectedImage(image=image, etag="of other bytes"), at=NOON + LATER))
    assert [now.waiting for now in seen(connection, clock, timeout_s=1)] == [1, 2]


def test_a_dropped_image_that_was_overwritten_waits_for_the_newer_upload(connection: Connection) -> None:
    dropped = upload(connection)
    upload(connection)
    expect(connection, ExpectedImage(image=f"s3://{INPUT}/{BALL}", version_id=dropped))
    put_row(connection, BALL, version_id=dropped)
    assert next(seen(connection, Clock())).waiting == 1


def test_a_manifest_that_cannot_be_read_is_named(connection: Connection) -> None:
    connection.s3.put_object(Bucket=RESULTS, Key="batches/monday/manifest/x.json", Body=b"[]")
    with pytest.raises(ConsoleError, match="s3://podium-results/batches/monday/manifest/ cannot be read"):
        next(seen(connection, Clock()))


def test_what_the_stack_found_complete_is_complete_wherever_its_rows_are(connection: Connection) -> None:
    key = "incoming/tuesday/two\r\nlines.jpg"  # its row is in the batch tuesday
    image = f"s3://{INPUT}/{key}"
    expect(connection, ExpectedImage(image=image, etag="e"))
    put_row(connection, key)
    assert [now.waiting for now in seen(connection, Clock(), timeout_s=1)] == [1, 1]
    announce(connection, image)
    (last,) = seen(connection, Clock())
    assert (last.classified, last.waiting) == (1, 0)


def announce(connection: Connection, image: str) -> None:
    """What the finish function does when it finds this image done."""
    dynamodb, facts = connection.dynamodb_client, connection.facts
    revision = revision_of(part_keys(connection.s3, RESULTS, "monday"))
    Ledger(dynamodb, facts.ledger).open("monday", expected=1, revision=revision, now=NOON)
    ledger = Ledger(dynamodb, facts.ledger)
    entry = ledger.read("monday")
    assert entry is not None
    outcome = Outcome(image, "balls@1.0", "classified", (), None, None, None, NOON, None, "e")
    events: Any = EventBus()
    Announcer(connection.s3, events, ledger, RESULTS).announce(entry, {image: outcome}, NOON)


class EventBus:
    """Takes every event."""

    def put_events(self, **_: object) -> dict[str, int]:
        return {"FailedEntryCount": 0}


def shards_read(connection: Connection) -> list[str]:
    """The keys of the shards that are queried, from now on."""
    read: list[str] = []
    connection.dynamodb_client.meta.events.register(
        "provide-client-params.dynamodb.Query",
        lambda params, **_: read.append(params["ExpressionAttributeValues"][":hash"]["S"]),
    )
    return read


def test_only_shards_in_which_images_wait_are_read(connection: Connection) -> None:
    keys = ["incoming/monday/0.jpg", "incoming/monday/2.jpg"]
    done, waiting = (f"monday/{shard_of(f's3://{INPUT}/{key}'):02}" for key in keys)
    assert done != waiting
    versions = [upload(connection, key) for key in keys]
    put_row(connection, keys[0], version_id=versions[0])
    read = shards_read(connection)
    assert [now.waiting for now in seen(connection, Clock(), timeout_s=2)] == [1, 1, 1]
    assert sorted(read[:2]) == sorted([done, waiting])
    assert read[2:] == [waiting, waiting]


def test_of_a_large_batch_a_look_reads_some_shards_and_after_some_looks_all(connection: Connection) -> None:
    images = tuple(ExpectedImage(image=f"s3://{INPUT}/incoming/monday/{n}.jpg", etag="e") for n in range(10_000))
    expect(connection, *images)
    read = shards_read(connection)
    for looks, _ in enumerate(seen(connection, Clock(), timeout_s=6), start=1):
        assert len(read) == looks * shards_a_look(10_000) == looks * 3
    assert set(read) == {f"monday/{shard:02}" for shard in range(SHARDS)}


@pytest.mark.parametrize("images", [1, 60, 2_000, 2_001, 32_000, 1_000_000])
def test_a_watch_reads_about_as_many_rows_a_second_whatever_the_size_of_the_batch(images: int) -> None:
    """A read unit is 4 kB, about 12 rows: 170 of them a second at most."""
    pause_s = max(1.0, images / (ROWS_A_SECOND * SHARDS))
    assert images / SHARDS * shards_a_look(images) / pause_s <= ROWS_A_SECOND


def test_a_row_that_comes_late_is_seen(connection: Connection) -> None:
    late, newer = "incoming/monday/late.jpg", "incoming/monday/newer.jpg"
    versions = {key: upload(connection, key) for key in (late, newer)}
    put_row(connection, newer, version_id=versions[newer])
    clock = Clock(lambda: put_row(connection, late, version_id=versions[late]))
    assert [now.waiting for now in seen(connection, clock, timeout_s=None)] == [1, 0]


def test_the_rate_is_known_after_some_seconds_and_is_of_the_last_half_minute() -> None:
    meter = RateMeter()
    rates = {second: meter.observe(second, 0 if second < 60 else (second - 60) * 5) for second in range(121)}
    assert {rates[second] for second in range(61)} == {None}
    assert rates[75] == pytest.approx(15 * 5 / RATE_OVER_S)
    assert rates[90] == rates[120] == 5


def test_what_was_done_before_the_watch_began_is_no_rate() -> None:
    meter = RateMeter()
    assert [meter.observe(second, 1000) for second in range(40)] == [None] * 40


@pytest.mark.parametrize(
    ("queued", "dead", "words"),
    [
        (3, 0, "Nothing is lost: they stay in the queue. Go on"),
        (9, 0, "Nothing is lost: they stay in the queue. Go on"),  # other batches' messages, too
        (
            2,
            0,
            "At least 1 of them are not on the queue. Every hour, uploads of the last days that have no result are found",
        ),
        (0, 0, "None of them is on the queue. Every hour,"),
        (
            0,
            3,
            "None of them is on the queue. `podium redrive --dry-run` shows those that are dead letters. Every hour,",
        ),
    ],
)
def test_images_that_are_not_on_the_queue_are_not_said_to_be_there(
    connection: Connection, queued: int, dead: int, words: str
) -> None:
    """After a kill of the embedded AWS, the messages of its last minute are gone."""
    for number in range(3):
        upload(connection, f"incoming/monday/{number}.jpg")
    for url, messages in ((connection.facts.queue_url, queued), (connection.facts.dlq_url, dead)):
        for _ in range(messages):
            connection.sqs.send_message(QueueUrl=url, MessageBody="{}")
    *_, last = seen(connection, Clock(), timeout_s=2)
    with pytest.raises(ConsoleError) as unfinished:
        check_finished(last, "monday", 2)
    assert f"3 of 3 images still wait after 2 s. {words}" in str(unfinished.value)
    assert str(unfinished.value).endswith("Go on with `podium watch monday`.")
