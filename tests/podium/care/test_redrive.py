"""Dead letters that go back, and images that another version of the model is asked about."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import pairwise
from threading import Thread
from typing import Any, cast, get_args

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from pipeline.contracts import ImageRef, ModelFacts, Order, RejectionCode
from pipeline.queue.events import orders_in
from pipeline.queue.orders import body_of
from podium.batches.results import Wanted as WantedRows
from podium.care import reclassify as reclassifying
from podium.care.pacing import Pace
from podium.care.reclassify import Plan, check_served, model_of, plan, send_all
from podium.care.redrive import CRASHED, FRUITLESS_RECEIVES, SHORT_REASON, Kind, Wanted, redrive
from podium.connection import Connection
from podium.errors import EXIT_USAGE, ConsoleError
from podium.shown import care as care_told
from tests.podium.conftest import INPUT, put_row

DOWN = "tried 10 times, at last: http://127.0.0.1:8080/predictions/balls did not answer"
NEXT = ModelFacts(name="balls", version="2.0")


@dataclass
class Clock:
    """A clock that only sleeping moves."""

    now_s: float = 0.0
    slept_s: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        self.now_s += seconds

    def pace(self, per_s: float) -> Pace:
        return Pace(per_s, now_s=lambda: self.now_s, sleep=self.sleep)


def about(key: str) -> str:
    image = ImageRef(bucket=INPUT, key=key, version_id="v1", etag="e", size_bytes=10, sequencer="0A")
    return body_of(Order(image=image, batch=image.batch))


def bury(connection: Connection, body: str, code: str | None = None, reason: str = "") -> None:
    told = {"code": code, "reason": reason, "source_message_id": "m1"} if code else {}
    attributes: Any = {name: {"DataType": "String", "StringValue": value} for name, value in told.items()}
    connection.sqs.send_message(QueueUrl=connection.facts.dlq_url, MessageBody=body, MessageAttributes=attributes)


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
    pace: Pace | None = None,
) -> list[Kind]:
    wanted = Wanted(reason=reason, batch=batch)
    return redrive(connection, wanted, pace=pace or Clock().pace(50), dry_run=dry_run, poll_s=0)


def bodies(connection: Connection, url: str) -> list[str]:
    """The messages that are visible; they are made so again."""
    found: list[str] = []
    while messages := connection.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        found += [message["Body"] for message in messages]
    return sorted(found)


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
    kinds = again(buried)
    assert sum(kind.wanted for kind in kinds) == 4
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
def test_only_what_is_wanted_is_moved_and_the_rest_is_visible_at_once(
    buried: Connection, wanted: dict[str, str], moved: list[str]
) -> None:
    again(buried, reason=wanted.get("reason"), batch=wanted.get("batch"))
    everything = ["monday/1.jpg", "monday/3.jpg", "tuesday/2.jpg"]
    assert moved_and_left(buried) == (moved, [key for key in everything if key not in moved])


def test_a_dry_run_moves_nothing_and_says_what_it_would(buried: Connection) -> None:
    kinds = again(buried, dry_run=True, reason="given_up")
    assert {(kind.batches, kind.wanted, kind.left) for kind in kinds if kind.code == "given_up"} == {
        (("monday",), 1, 0),
        (("tuesday",), 1, 0),
    }
    assert moved_and_left(buried) == ([], ["monday/1.jpg", "monday/3.jpg", "tuesday/2.jpg"])


def test_what_is_alike_is_told_in_one_line_the_most_frequent_first(connection: Connection) -> None:
    for n in range(3):
        bury(connection, about(f"incoming/monday/{n}.jpg"), "given_up", DOWN + "." * n)
    bury(connection, "garbage", "unreadable", "not JSON")
    first, second = again(connection, batch="monday")
    assert (first.code, first.wanted, first.left, len(first.reason)) == ("given_up", 3, 0, SHORT_REASON)
    assert second == Kind(code="unreadable", reason="not JSON", batches=(), wanted=0, left=1)


def test_a_message_of_several_batches_belongs_to_each(connection: Connection) -> None:
    one, other = (json.loads(about(f"incoming/{batch}/a.jpg")) for batch in ("monday", "tuesday"))
    bury(connection, json.dumps({"Records": one["Records"] + other["Records"]}))
    [kind] = again(connection, batch="tuesday")
    assert (kind.batches, kind.wanted) == (("monday", "tuesday"), 1)


def test_more_dead_letters_than_one_answer_holds_are_all_found(connection: Connection) -> None:
    for n in range(23):
        bury(connection, about(f"incoming/monday/{n:02}.jpg"))
    again(connection)
    assert len(bodies(connection, connection.facts.queue_url)) == 23


def test_moving_keeps_the_rate(connection: Connection) -> None:
    for n in range(4):
        bury(connection, about(f"incoming/monday/{n}.jpg"))
    clock = Clock()
    again(connection, pace=clock.pace(2))
    assert clock.slept_s == [0.5, 0.5, 0.5]


class Sqs:
    """The connection's SQS, with some of its verbs changed."""

    def __init__(self, real: object, **changed: Callable[..., Any]) -> None:
        self._real, self._changed = real, changed

    def __getattr__(self, verb: str) -> Any:  # noqa: ANN401 - boto3's own
        return self._changed.get(verb) or getattr(self._real, verb)


def fails(**_: object) -> None:
    raise ClientError({"Error": {"Code": "InternalError", "Message": "try again"}}, "DeleteMessage")


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
        again(buried, pace=Pace(50, now_s=lambda: 0.0, sleep=interrupt))
    moved, left = bodies(buried, buried.facts.queue_url), bodies(buried, buried.facts.dlq_url)
    assert (len(moved), len(left)) == (1, 3)


def test_letters_that_come_again_and_again_do_not_keep_it_going(buried: Connection) -> None:
    """As if their time were over at once."""
    seen = cast(Any, buried)
    receives: list[int] = []

    def receive(**asked: Any) -> Any:  # noqa: ANN401 - boto3's own
        receives.append(1)
        assert len(receives) <= 1 + 4 + FRUITLESS_RECEIVES
        return real.receive_message(**{**asked, "VisibilityTimeout": 0})

    real = seen.sqs
    seen.sqs = Sqs(real, receive_message=receive)
    kinds = again(buried, reason="no such reason")
    assert sum(kind.left for kind in kinds) == 4


@given(st.integers(1, 1000), st.lists(st.floats(0, 10), max_size=20))
def test_turns_are_never_closer_than_the_rate_allows(per_s: int, pauses_s: list[float]) -> None:
    clock = Clock()
    pace = clock.pace(per_s)
    turns: list[float] = []
    for pause_s in pauses_s:
        clock.now_s += pause_s
        pace.wait()
        turns.append(clock.now_s)
    assert all(later - earlier >= 1 / per_s - 1e-6 for earlier, later in pairwise(turns))


def kind(wanted: int, left: int = 0, *batches: str) -> Kind:
    return Kind(code="given_up", reason="[red]503", batches=batches, wanted=wanted, left=left)


def test_what_was_moved_is_told_in_a_sentence() -> None:
    assert care_told.redriven([], dry_run=False) == "there are no dead letters."
    assert care_told.redriven([kind(0, 3)], dry_run=False).startswith("none of the 3 dead letters matches")
    assert care_told.redriven([kind(2, 1)], dry_run=False) == "2 dead letters are back on the queue, 1 stay."
    assert "would go back" in care_told.redriven([kind(2, 1)], dry_run=True)


def test_the_batch_to_watch_is_the_one_that_all_moved_letters_are_of() -> None:
    assert care_told.batch_of([kind(1, 0, "monday"), kind(0, 1, "tuesday")]) == "monday"
    assert care_told.batch_of([kind(1, 0, "monday"), kind(1, 0, "tuesday")]) is None
    assert care_told.batch_of([kind(1)]) is None


def test_a_table_of_reasons_ends_and_quotes_them_as_they_are() -> None:
    kinds = [kind(1, 2, f"batch-{n}") for n in range(care_told.KINDS_SHOWN + 5)]
    table = care_told.kinds_table(kinds, dry_run=False)
    cells = [list(column.cells) for column in table.columns]
    assert [str(cell) for cell in cells[1]][:1] == ["[red]503"]
    assert [str(column[-1]) for column in cells] == ["...", "5 other reasons", "", "5", "10"]


@pytest.fixture
def monday(connection: Connection) -> Connection:
    """Three images that balls@1.0 has seen, and one that no model has."""
    put_row(connection, "incoming/monday/1.jpg", uncertain="best probability 0.51")
    put_row(connection, "incoming/monday/2.jpg", label="rugby ball")
    put_row(connection, "incoming/tuesday/3.jpg")
    put_row(connection, "incoming/monday/empty.jpg", label=None)
    return connection


def planned(connection: Connection, *, again: bool = False, limit: int | None = None, **wanted: object) -> Plan:
    return plan(connection, WantedRows.model_validate(wanted), NEXT, again=again, limit=limit)


def names(of: Plan) -> list[str]:
    return sorted(order.image.key.removeprefix("incoming/") for order in of.orders)


def has_seen(connection: Connection, key: str, **changes: object) -> None:
    """The asked model's row of the image."""
    [row] = connection.table.query(
        KeyConditionExpression="image = :image",
        ExpressionAttributeValues={":image": f"s3://{INPUT}/{key}"},
    )["Items"]
    connection.table.put_item(Item=cast(Any, {**row, "model": NEXT.ref, **changes}))


def test_an_order_names_the_model_and_the_very_upload_that_the_row_is_of(monday: Connection) -> None:
    [order] = planned(monday, label="rugby ball").orders
    assert order == Order(
        image=ImageRef(
            bucket=INPUT, key="incoming/monday/2.jpg", version_id="v1", etag="e", size_bytes=10,
            sequencer="0A".ljust(32, "0"),
        ),
        sender="reclassify", batch="monday", model=NEXT,
    )  # fmt: skip


def test_images_are_chosen_by_batch_label_doubt_or_name(monday: Connection) -> None:
    assert names(planned(monday, batch="monday")) == ["monday/1.jpg", "monday/2.jpg"]
    assert names(planned(monday, label="baseball")) == ["monday/1.jpg", "tuesday/3.jpg"]
    assert names(planned(monday, uncertain=True)) == ["monday/1.jpg"]
    assert names(planned(monday, image="incoming/tuesday/3.jpg")) == ["tuesday/3.jpg"]
    assert names(planned(monday, image="incoming/tuesday/3.jpg", batch="monday")) == []


def test_what_no_model_ever_saw_is_left_out_and_counted(monday: Connection) -> None:
    assert planned(monday, batch="monday").never_seen == 1


def test_what_the_server_rejected_another_model_may_read(monday: Connection) -> None:
    [row] = monday.table.query(
        KeyConditionExpression="image = :image",
        ExpressionAttributeValues={":image": f"s3://{INPUT}/incoming/monday/empty.jpg"},
    )["Items"]
    monday.table.put_item(Item=cast(Any, {**row, "rejected_code": "unreadable"}))
    assert names(planned(monday, image="incoming/monday/empty.jpg")) == ["monday/empty.jpg"]


def test_an_image_that_has_its_row_of_that_model_is_left_out_unless_asked_for_again(monday: Connection) -> None:
    has_seen(monday, "incoming/monday/1.jpg")
    once = planned(monday, batch="monday")
    assert (names(once), once.already) == (["monday/2.jpg"], 1)
    assert names(planned(monday, batch="monday", again=True)) == ["monday/1.jpg", "monday/2.jpg"]


def test_a_row_of_that_model_about_an_older_upload_does_not_count(monday: Connection) -> None:
    has_seen(monday, "incoming/monday/1.jpg", version_id="v0", sequencer="09".ljust(32, "0"))
    assert names(planned(monday, batch="monday")) == ["monday/1.jpg", "monday/2.jpg"]


def test_an_order_that_would_lose_to_that_models_row_of_a_newer_upload_is_not_made(monday: Connection) -> None:
    has_seen(monday, "incoming/monday/2.jpg", version_id="v2", sequencer="0B".ljust(32, "0"), batch="other")
    assert names(planned(monday, batch="monday")) == ["monday/1.jpg"]


def test_an_image_with_rows_of_two_models_is_asked_about_once_by_its_latest_upload(monday: Connection) -> None:
    has_seen(monday, "incoming/monday/2.jpg", model="balls@1.1", version_id="v2", sequencer="0B".ljust(32, "0"))
    orders = {order.image.key: order.image.version_id for order in planned(monday, batch="monday").orders}
    assert orders == {"incoming/monday/1.jpg": "v1", "incoming/monday/2.jpg": "v2"}


def test_a_limit_counts_what_is_asked_about(monday: Connection) -> None:
    has_seen(monday, "incoming/monday/1.jpg")
    assert names(planned(monday, batch="monday", limit=1)) == ["monday/2.jpg"]
    assert len(planned(monday, label="baseball", again=True, limit=1).orders) == 1


def test_orders_go_out_in_their_pace_and_are_counted(monday: Connection) -> None:
    orders = planned(monday, label="baseball").orders * 60
    clock, told = Clock(), cast("list[int]", [])
    send_all(monday, orders, clock.pace(10), told.append)
    assert told == [100, 120]
    assert round(clock.now_s, 6) == 11.9
    assert len(bodies(monday, monday.facts.queue_url)) == 120


def test_a_queue_that_refuses_is_a_sentence_with_the_count(monday: Connection) -> None:
    cast(Any, monday).sqs = Sqs(monday.sqs, send_message=fails)
    with pytest.raises(ConsoleError, match="after 0 of 2 images"):
        send_all(monday, planned(monday, label="baseball").orders, Clock().pace(10))


@pytest.mark.parametrize("text", ["balls", "balls@", "@1.0", "a/b@1.0", "balls@1/0", "balls@1.0@2"])
def test_a_model_without_name_or_version_is_refused(text: str) -> None:
    with pytest.raises(ConsoleError, match="NAME@VERSION") as refused:
        model_of(text)
    assert refused.value.exit_code == EXIT_USAGE


def test_a_model_is_its_name_and_version() -> None:
    assert model_of("balls@2.0") == NEXT


def test_what_another_version_is_asked_about_is_told_in_a_sentence() -> None:
    told = care_told.reclassified(Plan((), already=2, never_seen=3), "balls@2.0", dry_run=True)
    assert told.startswith("0 images would go on the queue for balls@2.0; 2 have their row of it already")
    assert told.endswith("3 were rejected before any model saw them, and are left out.")


@pytest.fixture
def management_url() -> Iterator[str]:
    """TorchServe's management address, of a server that has balls@2.0 and breaks for `broken`."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = {"/models/balls/2.0": 200, "/models/broken/1.0": 500}
            self.send_response(known.get(self.path, 404))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_version_that_the_server_does_not_have_is_refused_before_anything_is_sent(management_url: str) -> None:
    check_served(management_url, NEXT)
    with pytest.raises(ConsoleError, match=r"has no balls@3\.0"):
        check_served(management_url, ModelFacts(name="balls", version="3.0"))


def test_a_server_that_cannot_say_is_no_reason_to_refuse(management_url: str) -> None:
    check_served(management_url, ModelFacts(name="broken", version="1.0"))
    check_served("http://127.0.0.1:9", NEXT)


def test_every_code_that_never_reached_a_model_is_a_code() -> None:
    assert set(get_args(RejectionCode)) - reclassifying.NEVER_SEEN == {"unreadable", "too_many_pixels", "too_slow"}
