"""Dead letters that go back to the queue, and those that stay."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, cast

import pytest

from pipeline.contracts import ImageRef, Order
from pipeline.queue.events import orders_in
from pipeline.queue.orders import body_of
from podium.care.rate_limiter import RateLimiter
from podium.care.redrive import CRASHED, FRUITLESS_RECEIVES, SHORT_REASON, LetterFilter, ReasonCount, redrive
from podium.connection import Connection
from podium.errors import ConsoleError
from tests.podium.care.clock import Clock
from tests.podium.care.queues import Sqs, bodies, fails
from tests.podium.conftest import INPUT

DOWN = "tried 10 times, at last: http://127.0.0.1:8080/predictions/balls did not answer"


def about(key: str) -> str:
    image = ImageRef(bucket=INPUT, key=key, version_id="v1", etag="e", size_bytes=10, sequencer="0A")
    return body_of(Order(image=image, batch=image.batch))


def bury(connection: Connection, body: str, code: str | None = None, reason: str = "") -> None:
    attributes = {"code": code, "reason": reason, "source_message_id": "m1"} if code else {}
    message_attributes: Any = {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()}
    connection.sqs.send_message(
        QueueUrl=connection.facts.dlq_url, MessageBody=body, MessageAttributes=message_attributes
    )


@pytest.fixture
def buried(connection: Connection) -> Connection:
    """Two that the model server did not answer for, one that SQS moved, one that nobody can read."""
    bury(connection, about("incoming/monday/1.jpg"), "given_up", DOWN)
    bury(connection, about("incoming/tuesday/2.jpg"), "given_up", DOWN)
    bury(connection, about("incoming/monday/3.jpg"))
    bury(connection, "Hello from SQS!", "unreadable", "the message is not JSON: 'Hello from SQS!'")
    return connection


def again(
    connection: Connection,
    *,
    reason: str | None = None,
    batch: str | None = None,
    dry_run: bool = False,
    limiter: RateLimiter | None = None,
) -> list[ReasonCount]:
    letter_filter = LetterFilter(reason=reason, batch=batch)
    return redrive(connection, letter_filter, limiter=limiter or Clock().limiter(50), dry_run=dry_run, poll_s=0)


def keys(connection: Connection, url: str) -> list[str]:
    """The images that visible messages name, without what comes before them."""
    return sorted(
        order.image.key.removeprefix("incoming/")
        for body in bodies(connection, url)
        if body.startswith("{")
        for order in orders_in(body)
    )


def moved_and_left(connection: Connection) -> tuple[list[str], list[str]]:
    return keys(connection, connection.facts.queue_url), keys(connection, connection.facts.dlq_url)


def test_every_dead_letter_goes_back_as_it_came(buried: Connection) -> None:
    counts = again(buried)
    assert sum(one.wanted for one in counts) == 4
    assert bodies(buried, buried.facts.dlq_url) == []
    assert "Hello from SQS!" in bodies(buried, buried.facts.queue_url)


@pytest.mark.parametrize(
    ("wanted", "moved"),
    [
        ({"reason": "given_up"}, ["monday/1.jpg", "tuesday/2.jpg"]),
        ({"reason": "DID NOT answer"}, ["monday/1.jpg", "tuesday/2.jpg"]),
        ({"reason": CRASHED}, ["monday/3.jpg"]),
        ({"reason": "ran out of time"}, ["monday/3.jpg"]),
        ({"reason": "given"}, []),
        ({"batch": "monday"}, ["monday/1.jpg", "monday/3.jpg"]),
        ({"batch": "monday", "reason": "given_up"}, ["monday/1.jpg"]),
        ({"batch": "mon"}, []),
    ],
)
def test_only_letters_that_match_are_moved_and_the_rest_is_visible_at_once(
    buried: Connection, wanted: dict[str, str], moved: list[str]
) -> None:
    again(buried, reason=wanted.get("reason"), batch=wanted.get("batch"))
    everything = ["monday/1.jpg", "monday/3.jpg", "tuesday/2.jpg"]
    assert moved_and_left(buried) == (moved, [key for key in everything if key not in moved])


def test_a_dry_run_moves_nothing_and_says_what_it_would(buried: Connection) -> None:
    counts = again(buried, dry_run=True, reason="given_up")
    assert {(one.batches, one.wanted, one.left) for one in counts if one.code == "given_up"} == {
        (("monday",), 1, 0),
        (("tuesday",), 1, 0),
    }
    assert moved_and_left(buried) == ([], ["monday/1.jpg", "monday/3.jpg", "tuesday/2.jpg"])


def test_letters_that_are_alike_are_counted_together_the_most_frequent_first(connection: Connection) -> None:
    for n in range(3):
        bury(connection, about(f"incoming/monday/{n}.jpg"), "given_up", DOWN + "." * n)
    bury(connection, "garbage", "unreadable", "not JSON")
    first, second = again(connection, batch="monday")
    assert (first.code, first.wanted, first.left, len(first.reason)) == ("given_up", 3, 0, SHORT_REASON)
    assert second == ReasonCount(code="unreadable", reason="not JSON", batches=(), wanted=0, left=1)


def test_a_message_of_several_batches_belongs_to_each(connection: Connection) -> None:
    one, other = (json.loads(about(f"incoming/{batch}/a.jpg")) for batch in ("monday", "tuesday"))
    bury(connection, json.dumps({"Records": one["Records"] + other["Records"]}))
    [one] = again(connection, batch="tuesday")
    assert (one.batches, one.wanted) == (("monday", "tuesday"), 1)


def test_more_dead_letters_than_one_response_holds_are_all_found(connection: Connection) -> None:
    for n in range(23):
        bury(connection, about(f"incoming/monday/{n:02}.jpg"))
    again(connection)
    assert len(bodies(connection, connection.facts.queue_url)) == 23


def test_moving_keeps_the_rate(connection: Connection) -> None:
    for n in range(4):
        bury(connection, about(f"incoming/monday/{n}.jpg"))
    clock = Clock()
    again(connection, limiter=clock.limiter(2))
    assert clock.slept_s == [0.5, 0.5, 0.5]


def test_a_letter_that_is_not_deleted_is_on_both_queues_and_not_lost(buried: Connection) -> None:
    broken = cast(Any, buried)
    real = broken.sqs
    broken.sqs = Sqs(real, delete_message=fails)
    with pytest.raises(ConsoleError, match="None is lost"):
        again(buried, batch="tuesday")
    broken.sqs = real
    assert moved_and_left(buried) == (["tuesday/2.jpg"], ["monday/1.jpg", "monday/3.jpg", "tuesday/2.jpg"])


def test_whoever_interrupts_leaves_no_letter_hidden(buried: Connection) -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        again(buried, limiter=RateLimiter(50, now_s=lambda: 0.0, sleep=interrupt))
    moved, left = bodies(buried, buried.facts.queue_url), bodies(buried, buried.facts.dlq_url)
    assert (len(moved), len(left)) == (0, 4)


def test_letters_that_come_again_and_again_do_not_keep_it_going(buried: Connection) -> None:
    """As if their time were over at once."""
    seen = cast(Any, buried)
    receives: list[int] = []

    def receive(**request: Any) -> Any:  # noqa: ANN401 - boto3's own
        receives.append(1)
        assert len(receives) <= 1 + 4 + FRUITLESS_RECEIVES
        return real.receive_message(**{**request, "VisibilityTimeout": 0})

    real = seen.sqs
    seen.sqs = Sqs(real, receive_message=receive)
    counts = again(buried, reason="no such reason")
    assert sum(one.left for one in counts) == 4


def test_ten_letters_are_three_requests_to_receive_send_and_delete_them(connection: Connection) -> None:
    """On AWS, each request costs what a message costs."""
    for n in range(23):
        bury(connection, about(f"incoming/monday/{n:02}.jpg"))
    asked: Counter[str] = Counter()
    hook = connection.sqs.meta.events.register_first
    hook("before-call.sqs", lambda model, **_: asked.update([model.name]))
    again(connection)
    assert (asked["SendMessageBatch"], asked["DeleteMessageBatch"]) == (3, 3)
    assert asked["SendMessage"] == asked["DeleteMessage"] == asked["ChangeMessageVisibility"] == 0


def test_a_slow_rate_does_not_wait_for_ten(connection: Connection) -> None:
    for n in range(4):
        bury(connection, about(f"incoming/monday/{n}.jpg"))
    clock, moved = Clock(), list[tuple[float, int]]()
    redrive(
        connection, LetterFilter(), limiter=clock.limiter(0.5), dry_run=False, poll_s=0,
        on_moved=lambda count: moved.append((clock.now_s, count)),
    )  # fmt: skip
    assert moved == [(0.0, 1), (2.0, 2), (4.0, 3), (6.0, 4)]


def test_of_a_batch_of_which_some_are_not_sent_the_others_are_moved(connection: Connection) -> None:
    for n in range(4):
        bury(connection, about(f"incoming/monday/{n}.jpg"))
    broken = cast(Any, connection)
    real = broken.sqs

    def send(**request: Any) -> Any:  # noqa: ANN401 - boto3's own
        bad = [entry for entry in request["Entries"] if "/2.jpg" in entry["MessageBody"]]
        good = [entry for entry in request["Entries"] if entry not in bad]
        answer = real.send_message_batch(QueueUrl=request["QueueUrl"], Entries=good)
        return {**answer, "Failed": [{"Id": it["Id"], "Code": "InternalError", "SenderFault": False} for it in bad]}

    broken.sqs = Sqs(real, send_message_batch=send, send_message=fails)
    with pytest.raises(ConsoleError, match="it stopped after 3 dead letters were moved"):
        again(connection)
    broken.sqs = real
    assert moved_and_left(connection) == (["monday/0.jpg", "monday/1.jpg", "monday/3.jpg"], ["monday/2.jpg"])
