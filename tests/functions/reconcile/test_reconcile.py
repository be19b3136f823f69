"""Uploads whose event was lost: found in the bucket, enqueued again, and never in the way of a newer one."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest

from pipeline.contracts import ImageRef, Order
from pipeline.queue.events import orders_in
from pipeline.queue.orders import body_of
from pipeline.reconcile.handler import Response, Search, lambda_handler, open_clients, reconcile
from pipeline.reconcile.overdue import order_for, tries_allowed
from pipeline.reconcile.reminders import Reminders, tries_id
from pipeline.results.known_rows import MOST_REQUESTS
from pipeline.results.store import Store
from pipeline.settings import ReconcileSettings, load_settings
from pipeline.uploads import ListedUpload
from tests.functions.conftest import INPUT, LEDGER, RESULTS, TABLE, Aws
from tests.functions.factories import (
    ANSWERED,
    JPEG,
    body_about,
    classification,
    event,
    image_ref,
    known_row,
    server_answer,
    sqs_event,
)
from tests.functions.hostile.keys import KEYS
from tests.functions.invoking import Context, counted, failed, invoke, metrics_of
from tests.functions.template import resources

NOW = datetime.now(UTC)
SOON, NEXT_HOUR = NOW + timedelta(hours=1), NOW + timedelta(hours=2)
OLDER_MODEL = server_answer(model=ANSWERED.model_copy(update={"version": "0.9"}))


@pytest.fixture
def reconciling(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Iterator[ReconcileSettings]:
    """The settings of the function, with its ledger; in the environment, too."""
    variables = resources()["ReconcileFunction"]["Properties"]["Environment"]["Variables"]
    own = {
        "INPUT_BUCKET": INPUT,
        "TABLE_NAME": TABLE,
        "LEDGER_NAME": LEDGER,
        "QUEUE_URL": aws.queue_url,
        "MODEL_NAME": "balls",
        "MODEL_VERSION": "1.0",
    }
    for name, value in (variables | own).items():
        monkeypatch.setenv(name, value or "podium")
    load_settings.cache_clear()
    yield load_settings(ReconcileSettings)
    load_settings.cache_clear()
    open_clients.cache_clear()


Reconcile = Callable[..., Response]


@pytest.fixture
def run(reconciling: ReconcileSettings) -> Reconcile:
    """Reconcile as the function does, at a time when what this test uploaded is old."""

    def at(now: datetime = SOON, remaining_ms: Callable[[], int] = lambda: 900_000) -> Response:
        return reconcile(reconciling, now, remaining_ms)

    return at


@pytest.fixture
def store(aws: Aws) -> Store:
    return Store(aws.s3, aws.dynamodb, RESULTS, TABLE, INPUT)


def enqueued(aws: Aws) -> list[Order]:
    """Everything that waits on the queue, taken from it."""
    orders: list[Order] = []
    while found := aws.sqs.receive_message(QueueUrl=aws.queue_url, MaxNumberOfMessages=10).get("Messages"):
        for message in found:
            orders += orders_in(message["Body"])
            aws.sqs.delete_message(QueueUrl=aws.queue_url, ReceiptHandle=message["ReceiptHandle"])
    return orders


def as_listed(image: ImageRef) -> ImageRef:
    """The image as S3's list has it: no list has a sequencer."""
    return image.model_copy(update={"sequencer": ""})


def classify(store: Store, image: ImageRef, at: datetime = NOW) -> str:
    """Let the image be classified, as its event or order names it."""
    return store.put(classification(image).model_copy(update={"classified_at": at}))


def while_listing(act: Callable[[dict[str, Any]], None]) -> None:
    """Do something after S3 has made a page of its list and before the function has it."""
    open_clients().s3.meta.events.register("after-call.s3.ListObjectVersions", lambda parsed, **_: act(parsed))


def pages_of(size: int) -> None:
    """S3's pages hold a thousand; let them be small."""
    open_clients().s3.meta.events.register(
        "provide-client-params.s3.ListObjectVersions", lambda params, **_: params | {"MaxKeys": size}
    )


@pytest.mark.usefixtures("settings", "reconciling")
def test_an_upload_whose_event_was_lost_gets_its_row(aws: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    """The whole way: the schedule's event, the message, the function that classifies."""
    lost = aws.upload("incoming/monday/été & 100% + ball #1\n.jpg")

    def let_it_be_old(page: dict[str, Any]) -> None:
        for version in page["Versions"]:
            version["LastModified"] -= timedelta(minutes=31)

    while_listing(let_it_be_old)
    answer = lambda_handler(event("reconcile-tick"), Context(lambda: 900_000))
    assert answer == {"overdue": 1, "requeued": 1, "finished": True}
    [line] = metrics_of(capsys)
    assert counted([line]) == {"UploadsOverdue": 1, "UploadsRequeued": 1}
    [[dimensions]] = [it["Dimensions"] for it in line["_aws"]["CloudWatchMetrics"]]
    assert set(dimensions) <= {"service"}, "the alarm names no other"
    [message] = aws.sqs.receive_message(QueueUrl=aws.queue_url)["Messages"]
    assert failed(invoke(sqs_event(message["Body"]))) == []
    row = aws.row()
    assert (row.image, row.batch, row.version_id, row.label) == (lost.uri, "monday", lost.version_id, "golf ball")


def test_an_order_names_its_sender_the_version_and_the_batch(aws: Aws, run: Reconcile) -> None:
    lost = aws.upload("incoming/monday/ball.jpg")
    run()
    assert enqueued(aws) == [
        Order(image=lost.model_copy(update={"sequencer": ""}), sender="reconcile", batch="monday"),
    ]


def test_an_upload_with_a_row_is_left_alone_and_costs_a_request_of_its_own_only_under_another_model(
    aws: Aws, run: Reconcile, store: Store
) -> None:
    alone: list[str] = []
    open_clients().dynamodb.meta.events.register("before-call.dynamodb.Query", lambda model, **_: alone.append(model))
    for answer, expected in ((server_answer(), 0), (OLDER_MODEL, 1)):
        store.put(classification(aws.upload(f"incoming/{answer.model.version}.jpg"), answer))
        assert run() == {"overdue": 0, "requeued": 0, "finished": True}
        assert len(alone) == expected
    assert enqueued(aws) == []


@pytest.mark.parametrize(
    ("later", "overdue"),
    [
        (timedelta(minutes=29), 0),
        (timedelta(minutes=31), 1),
        (timedelta(days=13, hours=23), 1),
        (timedelta(days=14, minutes=1), 0),
    ],
)
def test_an_upload_is_looked_at_between_half_an_hour_and_two_weeks(
    aws: Aws, run: Reconcile, later: timedelta, overdue: int
) -> None:
    aws.upload("incoming/ball.jpg")
    assert run(datetime.now(UTC) + later)["overdue"] == overdue


def test_an_upload_with_a_row_is_read_twice_and_once_a_day(aws: Aws, run: Reconcile, store: Store) -> None:
    """Reads are what reconcile costs: half a unit for each row of each pass."""
    for number in range(10):
        classify(store, aws.upload(f"incoming/{number}.jpg"))
    read: list[int] = []

    def count_keys(params: dict[str, Any], **_: object) -> None:
        read[-1] += sum(len(it["Keys"]) for it in json.loads(params["body"])["RequestItems"].values())

    open_clients().dynamodb.meta.events.register("before-call.dynamodb.BatchGetItem", count_keys)
    for hours in range(1, 50):
        read.append(0)
        assert run(NOW + timedelta(hours=hours))["overdue"] == 0
    assert {hours + 1: keys for hours, keys in enumerate(read) if keys} == {1: 10, 2: 10, 25: 10, 49: 10}


def test_what_was_deleted_or_lies_elsewhere_is_not_enqueued(aws: Aws, run: Reconcile) -> None:
    aws.upload("incoming/deleted.jpg")
    aws.s3.delete_object(Bucket=INPUT, Key="incoming/deleted.jpg")
    aws.upload("elsewhere/ball.jpg")
    assert run()["overdue"] == 0
    back = aws.upload("incoming/deleted.jpg")
    assert run()["overdue"] == 1
    assert [order.image.version_id for order in enqueued(aws)] == [back.version_id]


def test_of_many_versions_only_the_last_is_enqueued(aws: Aws, run: Reconcile, store: Store) -> None:
    for _ in range(2):
        aws.upload("incoming/ball.jpg")
    last = aws.upload("incoming/ball.jpg")
    assert (run()["overdue"], [order.image.version_id for order in enqueued(aws)]) == (1, [last.version_id])
    classify(store, last)
    assert run()["overdue"] == 0


def test_an_order_wins_over_the_row_of_an_earlier_upload_whatever_arrives_after_it(
    aws: Aws, run: Reconcile, store: Store
) -> None:
    """Redelivered, late, or not lost after all: every event may arrive twice and at any time."""
    lasting = {}
    for n, arrivals in enumerate(permutations(["first again", "lost one, late", "order"])):
        first, lost = aws.upload(f"incoming/{n}.jpg"), aws.upload(f"incoming/{n}.jpg")
        classify(store, first)
        run()
        [order] = enqueued(aws)
        events = {"first again": first, "lost one, late": lost, "order": order.image}
        for arrival in arrivals:
            classify(store, events[arrival])
        lasting[lost.uri] = lost.version_id
    assert {row.image: row.version_id for row in aws.rows()} == lasting


def test_an_order_without_a_late_event_stays_as_it_is(aws: Aws, run: Reconcile, store: Store) -> None:
    first, lost = aws.upload("incoming/ball.jpg"), aws.upload("incoming/ball.jpg")
    classify(store, first)
    run()
    [order] = enqueued(aws)
    assert classify(store, order.image) == "stored"
    assert classify(store, order.image) == "repeated", "a message is delivered twice now and then"
    assert classify(store, first) == "superseded"
    assert run(NEXT_HOUR)["overdue"] == 0
    assert aws.row().version_id == lost.version_id


def test_an_order_loses_to_every_later_upload(aws: Aws, run: Reconcile, store: Store) -> None:
    lasting = {}
    for n, arrivals in enumerate(permutations(["first", "order", "newest"])):
        first, _ = aws.upload(f"incoming/{n}.jpg"), aws.upload(f"incoming/{n}.jpg")
        classify(store, first)
        run()
        [order] = enqueued(aws)
        events = {"first": first, "order": order.image, "newest": aws.upload(f"incoming/{n}.jpg")}
        for arrival in arrivals:
            classify(store, events[arrival])
        lasting[first.uri] = events["newest"].version_id
    assert {row.image: row.version_id for row in aws.rows()} == lasting


@pytest.mark.parametrize("seconds", [-59, 0, 5])
def test_the_row_of_an_upload_made_while_the_list_was_read_is_not_overtaken(
    aws: Aws, run: Reconcile, store: Store, seconds: int
) -> None:
    """Its function's clock may be a little slow. The next list shows which upload is the last."""
    aws.upload("incoming/ball.jpg")
    newest: list[ImageRef] = []

    def overwrite(_page: dict[str, Any]) -> None:
        if not newest:
            newest.append(aws.upload("incoming/ball.jpg"))
            classify(store, newest[0], SOON + timedelta(seconds=seconds))

    while_listing(overwrite)
    assert run(SOON)["overdue"] == 0, "which of the two is last is not known yet"
    assert enqueued(aws) == []
    assert run(NEXT_HOUR)["overdue"] == 0
    assert aws.row().version_id == newest[0].version_id


def test_a_row_that_an_older_upload_got_just_now_delays_the_order_by_one_run(
    aws: Aws, run: Reconcile, store: Store
) -> None:
    first, lost = aws.upload("incoming/ball.jpg"), aws.upload("incoming/ball.jpg")
    classify(store, first, SOON)
    assert run(SOON)["requeued"] == 0
    assert run(NEXT_HOUR)["requeued"] == 1
    [order] = enqueued(aws)
    classify(store, order.image)
    assert aws.row().version_id == lost.version_id


def test_an_older_upload_whose_event_came_after_the_order_is_put_right_by_the_next_run(
    aws: Aws, run: Reconcile, store: Store
) -> None:
    """Neither had a row, so the order counted as the oldest; and its turn came first."""
    late, lost = aws.upload("incoming/ball.jpg"), aws.upload("incoming/ball.jpg")
    run(SOON)
    classify(store, enqueued(aws)[0].image)
    classify(store, late)
    assert aws.row().version_id == late.version_id
    assert run(NEXT_HOUR)["requeued"] == 1
    classify(store, enqueued(aws)[0].image)
    assert aws.row().version_id == lost.version_id


def test_an_image_version_is_enqueued_three_times_and_then_left_with_a_message_about_dead_letters(
    aws: Aws, run: Reconcile, caplog: pytest.LogCaptureFixture
) -> None:
    lost = aws.upload("incoming/ball.jpg")
    answers = []
    for hour in range(1, 6):
        answers.append(run(NOW + timedelta(hours=hour)))
        enqueued(aws)
    assert [answer["requeued"] for answer in answers] == [1, 1, 1, 0, 0]
    assert [answer["overdue"] for answer in answers] == [1] * 5, "the alarm stays on"
    lines = [vars(record) for record in caplog.records if record.message == "upload overdue"]
    assert [(line["image"], line["version_id"]) for line in lines] == [(lost.uri, lost.version_id)] * 5
    assert [line["fate"] for line in lines] == ["enqueued"] * 3 + ["asked_before"] * 2
    assert ["podium redrive --dry-run" in line["reason"] for line in lines] == [False] * 3 + [True] * 2
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


def test_the_count_of_tries_is_kept_until_the_upload_is_looked_at_no_more(aws: Aws, run: Reconcile) -> None:
    lost = aws.upload("incoming/ball.jpg")
    run()
    item = aws.dynamodb.get_item(TableName=LEDGER, Key={"id": {"S": tries_id(as_listed(lost))}})["Item"]
    assert (item["tries"], item["image"]) == ({"N": "1"}, {"S": lost.uri})
    kept_for = datetime.fromtimestamp(int(item["expires_at"]["N"]), UTC) - NOW
    assert abs(kept_for - timedelta(days=15)) < timedelta(hours=1)  # moto dates the upload by this machine's clock


def test_another_upload_of_the_same_key_has_three_tries_of_its_own(aws: Aws, run: Reconcile) -> None:
    for expected in ([1, 1, 1, 0], [1, 1, 1, 0]):
        aws.upload("incoming/ball.jpg")
        requeued = []
        for hour in range(1, 5):
            requeued.append(run(NOW + timedelta(hours=hour))["requeued"])
            enqueued(aws)
        assert requeued == expected


@pytest.mark.parametrize("taken", [False, True], ids=["waiting", "being worked on"])
def test_behind_a_backlog_an_overdue_upload_is_counted_and_not_enqueued(aws: Aws, run: Reconcile, taken: bool) -> None:
    waiting = aws.upload("incoming/ball.jpg")
    aws.sqs.send_message(QueueUrl=aws.queue_url, MessageBody=body_about(waiting))
    if taken:
        aws.sqs.receive_message(QueueUrl=aws.queue_url, VisibilityTimeout=600)
    assert run(NOW + timedelta(hours=6, minutes=15)) == {"overdue": 1, "requeued": 0, "finished": True}


def test_a_delayed_message_is_a_backlog_too(aws: Aws, run: Reconcile) -> None:
    aws.sqs.send_message(QueueUrl=aws.queue_url, MessageBody="{}", DelaySeconds=900)
    aws.upload("incoming/ball.jpg")
    assert run()["requeued"] == 0


def test_behind_a_backlog_of_days_one_try_is_made_and_two_are_kept_for_an_empty_queue(aws: Aws, run: Reconcile) -> None:
    """The queue forgets its messages after four days: who used up all tries in an outage would have none after it."""
    lost = aws.upload("incoming/ball.jpg")
    aws.sqs.send_message(QueueUrl=aws.queue_url, MessageBody=body_about(lost))
    behind = [run(NOW + timedelta(hours=hour))["requeued"] for hour in (5, 7, 8, 90)]
    enqueued(aws)
    after = []
    for hour in (100, 101, 102):
        after.append(run(NOW + timedelta(hours=hour))["requeued"])
        enqueued(aws)
    assert (behind, after) == ([0, 1, 0, 0], [1, 1, 0])


def test_without_time_the_sweep_stops_and_the_next_one_goes_on_from_there(aws: Aws, run: Reconcile) -> None:
    keys = [f"incoming/{n} +%.jpg" for n in range(5)]
    for key in keys:
        aws.upload(key)
    pages_of(2)
    seen = []
    for finished in (False, False, True):
        assert run(SOON, lambda: 59_000)["finished"] is finished
        seen.append(sorted(order.image.key for order in enqueued(aws)))
    assert seen == [keys[:2], keys[2:4], keys[4:]]
    assert run(NEXT_HOUR, lambda: 61_000) == {"overdue": 5, "requeued": 5, "finished": True}, "from the beginning again"


def test_a_row_that_dynamodb_had_no_time_to_read_is_not_taken_for_missing(
    aws: Aws, run: Reconcile, store: Store
) -> None:
    """UnprocessedKeys: a batch of reads is answered in part."""
    images = [aws.upload(f"incoming/{n}.jpg") for n in range(3)]
    for image in images:
        classify(store, image)
    keys = [{"image": {"S": image.uri}, "model": {"S": "balls@1.0"}} for image in images]
    sizes: list[int] = []

    def answer_in_part(parsed: dict[str, Any], **_: object) -> None:
        sizes.append(len(parsed["Responses"].pop(TABLE)))
        parsed["UnprocessedKeys"] = {TABLE: {"Keys": keys}}

    open_clients().dynamodb.meta.events.register("after-call.dynamodb.BatchGetItem", answer_in_part)
    assert run()["overdue"] == 0
    assert sizes == [3] * MOST_REQUESTS


def test_more_uploads_than_one_read_may_name_are_read_in_parts(
    aws: Aws, reconciling: ReconcileSettings, store: Store
) -> None:
    uploads = [ListedUpload(image_ref(key=f"incoming/{n}.jpg"), NOW) for n in range(101)]
    for it in (uploads[0], uploads[100]):
        classify(store, it.image)
    search = Search(reconciling, open_clients(), Reminders(aws.dynamodb, LEDGER), SOON, 0)
    assert search.without_a_row_of_the_model(uploads) == uploads[1:100]


def test_an_object_without_a_version_is_known_by_its_etag(aws: Aws, run: Reconcile, store: Store) -> None:
    """From before the bucket kept versions: S3 lists it under `null`, and its event named none."""
    aws.s3.put_bucket_versioning(Bucket=INPUT, VersioningConfiguration={"Status": "Suspended"})
    stored, lost = (
        aws.upload(f"incoming/{name}.jpg", JPEG + name.encode()).model_copy(update={"version_id": None})
        for name in ("stored", "lost")
    )
    classify(store, stored)
    assert run()["overdue"] == 1
    assert [order.image for order in enqueued(aws)] == [lost.model_copy(update={"sequencer": ""})]
    aws.upload("incoming/stored.jpg", JPEG + b"stored differently")
    assert run(NEXT_HOUR)["overdue"] == 2


def test_a_lost_upload_is_enqueued_under_its_own_name_however_hostile(aws: Aws, run: Reconcile) -> None:
    """And every page ends with one of these, after which the next begins; this store cannot list the versions of some."""
    keys = sorted({*KEYS[::3], *(key for key in KEYS if not key.isprintable())})
    for key in keys:
        aws.upload(key)
    pages_of(1)
    assert run()["finished"]
    assert sorted(order.image.key for order in enqueued(aws)) == sorted(keys)


def test_one_key_that_the_list_of_versions_cannot_hold_hides_no_upload(
    aws: Aws, run: Reconcile, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither itself nor its neighbours; those that have a row are known by their etags."""
    done, lost, odd = (aws.upload(f"incoming/{name}.jpg", JPEG + name.encode()) for name in ("a", "b", "\x01\ufffe"))
    classify(store, done)
    assert run() == {"overdue": 2, "requeued": 2, "finished": True}
    assert {(it.image.key, it.image.etag, it.image.version_id) for it in enqueued(aws)} == {
        (lost.key, lost.etag, None),
        (odd.key, odd.etag, None),
    }
    assert "versions not listed" in caplog.messages
    for image in (lost, odd):
        classify(store, image.model_copy(update={"version_id": None}))
    assert run(NEXT_HOUR)["overdue"] == 0


def test_the_function_asks_aws_for_nothing_but_what_its_role_allows(aws: Aws, run: Reconcile, store: Store) -> None:
    first = aws.upload("incoming/ball.jpg")
    classify(store, first)
    for _ in range(2):
        aws.upload("incoming/ball.jpg")
        aws.upload("incoming/other.jpg")
    aws.upload("incoming/z\x01.jpg")  # of which this store lists no version
    pages_of(1)
    operations: set[str] = set()
    clients = open_clients()
    for client in (clients.s3, clients.dynamodb, clients.sqs):
        client.meta.events.register("before-call", lambda model, **_: operations.add(model.name))
    run(SOON, lambda: 0)
    run(SOON)
    role = resources()["ReconcileRole"]
    allowed: set[str] = set()
    for statement in role["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]:
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        allowed |= {action.partition(":")[2] for action in actions if not action.startswith("logs:")}
    actions_of = {"ListObjectVersions": "ListBucketVersions", "ListObjectsV2": "ListBucket"}
    assert {actions_of.get(name, name) for name in operations} == allowed


def test_an_order_comes_after_the_newest_of_the_images_rows() -> None:
    rows = [known_row(sequencer="7".ljust(32, "0")), known_row(sequencer="5".ljust(32, "0"))]
    order = order_for(ListedUpload(image_ref(), NOW), rows, listed_at=SOON)
    assert order is not None
    assert order.image.ordinal == "7" + "0" * 30 + "1"
    assert json.loads(body_of(order))["Records"][0]["podium"] == {"sender": "reconcile", "batch": "monday"}


def test_one_young_row_among_old_ones_is_enough_to_wait() -> None:
    assert (
        order_for(ListedUpload(image_ref(), NOW), [known_row(), known_row(classified_at=SOON)], listed_at=SOON) is None
    )


@pytest.mark.parametrize(
    ("hours", "messages_waiting", "tries"), [(0, 0, 3), (99, 0, 3), (0, 1, 0), (6, 1, 0), (6.01, 1, 1), (99, 5000, 1)]
)
def test_tries_depend_on_the_queue_and_on_the_time(hours: float, messages_waiting: int, tries: int) -> None:
    assert tries_allowed(timedelta(hours=hours), messages_waiting) == tries


def test_a_backfilled_image_has_its_result_though_its_row_names_no_version(
    aws: Aws, run: Reconcile, store: Store
) -> None:
    """The row would else be written again, under the folder's batch instead of the job's."""
    image = aws.upload("incoming/monday/ball.jpg")
    classify(store, image.model_copy(update={"version_id": None, "sequencer": ""}))
    assert run() == {"overdue": 0, "requeued": 0, "finished": True}
    aws.upload("incoming/monday/ball.jpg", b"other bytes")
    assert run()["requeued"] == 1


def test_a_late_event_of_an_older_upload_uses_up_no_try(aws: Aws, run: Reconcile, store: Store) -> None:
    """Each row wins over the order's, and would leave the latest upload without its row after three of them."""
    *older, lost = [aws.upload("incoming/ball.jpg", bytes([n]) * 99) for n in range(6)]
    for hour, late in enumerate(older, start=2):
        classify(store, late)
        assert run(NOW + timedelta(hours=hour))["requeued"] == 1
        [order] = enqueued(aws)
        assert order.image.version_id == lost.version_id
    classify(store, order.image)
    assert aws.row().version_id == lost.version_id
    assert run(NOW + timedelta(hours=9)) == {"overdue": 0, "requeued": 0, "finished": True}
