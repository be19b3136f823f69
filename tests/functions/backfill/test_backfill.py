"""The Lambda that puts an existing bucket on the queue: what is sent, what is skipped, what is written down about it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from hypothesis import given
from hypothesis import strategies as st

from pipeline.backfill.handler import (
    FIRST_WAIT_S,
    LONGEST_WAIT_S,
    Clients,
    Item,
    enqueue,
    lambda_handler,
    open_clients,
    order_for,
    respond,
)
from pipeline.backfill.objects import Found, as_they_are, is_about
from pipeline.backfill.tallies import PartTally, missing_images, total, write_tally
from pipeline.batches.ledger import BATCH_ID
from pipeline.batches.manifests import expected_images, part_keys, read_parts, revision_of
from pipeline.contracts import ImageRef, Order, Tally
from pipeline.queue.events import orders_in
from pipeline.results.known_rows import known_rows
from pipeline.results.rows import row_of
from pipeline.results.store import Store
from pipeline.settings import BackfillSettings, load_settings
from tests.functions.conftest import INPUT, LEDGER, RESULTS, TABLE, Aws
from tests.functions.factories import JPEG, NOON, classification, event, image_ref, known_row, server_answer

PHOTOS, JOB = "my-photos", "backfill-20261121-120000"
PART, NAMED, ONE = event("backfill-part"), event("backfill-named-part"), event("backfill-one-item")
PAUSED = event("backfill-part-again")  # the same part after a first pause
BALL, ODD = "photos/ball.jpg", "photos/été & 100% + ball #1 (copy).jpg"
ETAG = "b1946ac92492d2347c6235b4d2611184"


@pytest.fixture
def settings(aws: Aws) -> BackfillSettings:
    """Of a function deployed beside an existing bucket, which keeps no versions and sends no events."""
    aws.s3.create_bucket(Bucket=PHOTOS)
    return BackfillSettings(
        results_bucket=RESULTS,
        table_name=TABLE,
        ledger_name=LEDGER,
        queue_url=aws.queue_url,
        model_name="balls",
        model_version="1.0",
        pause_above=1000,
    )


@dataclass(frozen=True)
class Machine:
    """What Step Functions does with the function, and what a person finds afterwards."""

    aws: Aws
    settings: BackfillSettings

    def run(self, payload: dict[str, Any]) -> dict[str, Any]:
        return respond(payload, Clients(self.aws.s3, self.aws.dynamodb, self.aws.sqs), self.settings, NOON)

    def orders(self) -> list[Order]:
        """What is on the queue; it is left empty."""
        found: list[Order] = []
        while messages := self.aws.sqs.receive_message(
            QueueUrl=self.aws.queue_url, MaxNumberOfMessages=10, VisibilityTimeout=900
        ).get("Messages"):
            found += [order for message in messages for order in orders_in(message["Body"])]
        return sorted(found, key=lambda order: order.image.key)

    def expected(self) -> list[str]:
        """The keys that the batch's manifest names, all parts together."""
        images = expected_images(read_parts(self.aws.s3, RESULTS, part_keys(self.aws.s3, RESULTS, JOB)))
        return sorted(image.removeprefix(f"s3://{PHOTOS}/") for image in images)

    def has_row(self, key: str, *, etag: str = ETAG, batch: str | None = "old", **changes: object) -> None:
        """A row of the object; `changes` are of its image."""
        image = image_ref(bucket=PHOTOS, key=key, etag=etag, version_id=None, **changes)
        done = classification(image, server_answer()).model_copy(update={"batch": batch})
        row = row_of(done, image.result_key(INPUT), None)
        Store(self.aws.s3, self.aws.dynamodb, RESULTS, TABLE, INPUT).put_row(row)

    def report(self) -> dict[str, Any]:
        body = self.aws.s3.get_object(Bucket=RESULTS, Key=f"batches/{JOB}/backfill.json")["Body"].read()
        document: dict[str, Any] = json.loads(body)
        return document

    def ledger(self) -> dict[str, str]:
        item = self.aws.dynamodb.get_item(TableName=LEDGER, Key={"id": {"S": f"{BATCH_ID}{JOB}"}}).get("Item", {})
        return {name: value.get("S") or value["N"] for name, value in item.items()}


@pytest.fixture
def machine(aws: Aws, settings: BackfillSettings) -> Machine:
    return Machine(aws, settings)


def test_a_part_of_the_list_is_on_the_queue_and_expected(machine: Machine) -> None:
    assert machine.run(PART) == {"listed": 3, "enqueued": 2, "already": 0, "markers": 1, "missing": 0}
    first, second = machine.orders()
    assert first == Order(
        image=ImageRef(bucket=PHOTOS, key=BALL, etag=ETAG, size_bytes=611, sequencer=""), sender="backfill", batch=JOB
    )
    assert second.image.key == ODD
    assert machine.expected() == [BALL, ODD]


def test_a_machine_that_does_not_batch_brings_one_item_at_a_time(machine: Machine) -> None:
    assert machine.run(ONE)["enqueued"] == 1
    assert [order.image.key for order in machine.orders()] == [BALL]


def test_the_bucket_has_what_a_manifest_does_not_list_of_an_image(machine: Machine, aws: Aws) -> None:
    etag = aws.s3.put_object(Bucket=PHOTOS, Key=BALL, Body=JPEG)["ETag"].strip('"')
    assert machine.run(NAMED) == {"listed": 2, "enqueued": 1, "already": 0, "markers": 0, "missing": 1}
    [order] = machine.orders()
    assert (order.image.etag, order.image.size_bytes, order.image.version_id) == (etag, len(JPEG), None)


def test_what_is_missing_is_named_beside_the_figures(machine: Machine, aws: Aws) -> None:
    machine.run(NAMED)
    [entry] = aws.s3.list_objects_v2(Bucket=RESULTS, Prefix=f"batches/{JOB}/backfill/")["Contents"]
    report = json.loads(aws.s3.get_object(Bucket=RESULTS, Key=entry["Key"])["Body"].read())
    assert report["missing_images"] == [f"s3://{PHOTOS}/{BALL}", f"s3://{PHOTOS}/photos/gone.jpg"]
    assert missing_images(aws.s3, RESULTS, JOB, 5) == report["missing_images"]
    assert missing_images(aws.s3, RESULTS, JOB, 1) == report["missing_images"][:1]


def test_an_image_with_a_result_of_the_same_bytes_is_skipped(machine: Machine) -> None:
    machine.has_row(BALL)
    assert machine.run(PART) == {"listed": 3, "enqueued": 1, "already": 1, "markers": 1, "missing": 0}
    assert machine.expected() == [order.image.key for order in machine.orders()] == [ODD]


def test_a_result_under_another_model_does_not_count(machine: Machine) -> None:
    machine.has_row(BALL)
    other = Machine(machine.aws, machine.settings.model_copy(update={"model_version": "2.0"}))
    assert other.run(ONE)["enqueued"] == 1


def test_an_image_that_has_changed_since_its_result_is_enqueued_and_wins_over_it(machine: Machine, aws: Aws) -> None:
    machine.has_row(BALL, etag="0" * 32, sequencer="0055")
    etag = aws.s3.put_object(Bucket=PHOTOS, Key=BALL, Body=JPEG)["ETag"].strip('"')
    assert machine.run(ONE)["enqueued"] == 1
    [order] = machine.orders()
    assert order.image.etag == etag
    assert image_ref(sequencer="0055").ordinal < order.image.ordinal < image_ref(sequencer="0056").ordinal


def test_a_list_that_is_older_than_the_result_enqueues_nothing(machine: Machine, aws: Aws) -> None:
    """The list names the bytes of before an upload whose own event was faster."""
    etag = aws.s3.put_object(Bucket=PHOTOS, Key=BALL, Body=JPEG)["ETag"].strip('"')
    machine.has_row(BALL, etag=etag)
    assert machine.run(ONE)["already"] == 1
    assert machine.orders() == []


@pytest.mark.parametrize("code", ["gone", "archived", "encrypted"])
def test_an_image_that_s3_did_not_hand_over_is_enqueued_again(code: str) -> None:
    """It was restored, or its key is enabled again, and its bytes are the same."""
    gone = known_row(version_id=None, etag=ETAG, rejected_code=code)
    here = image_ref(etag=ETAG, sequencer="")
    order = order_for(here, gone, JOB)
    assert order is not None
    assert order.image.ordinal > gone.sequencer
    assert order_for(here, gone.model_copy(update={"rejected_code": "too_large"}), JOB) is None


def test_a_part_that_is_tried_again_sends_what_has_no_row_yet_and_expects_what_it_expected(machine: Machine) -> None:
    """The first try died on its way, and one of its images is classified by now."""
    first = machine.run(PART)
    machine.orders()
    machine.has_row(BALL, batch=JOB)
    assert machine.run(PART) == first
    assert [order.image.key for order in machine.orders()] == [ODD]
    assert machine.expected() == [BALL, ODD]
    assert len(part_keys(machine.aws.s3, RESULTS, JOB)) == 1
    assert total(machine.aws.s3, RESULTS, JOB) == Tally(listed=3, enqueued=2, markers=1)


def test_what_is_expected_is_written_before_anything_is_sent(machine: Machine, aws: Aws) -> None:
    lost = machine.settings.model_copy(update={"queue_url": f"{aws.queue_url}-lost"})
    items = tuple(map(Item.model_validate, PART["Items"]))
    with pytest.raises(ClientError):
        enqueue(items, Clients(aws.s3, aws.dynamodb, aws.sqs), lost, NOON)
    assert machine.expected() == [BALL, ODD]


def test_a_key_that_is_named_twice_is_one_image(machine: Machine) -> None:
    assert machine.run({"Items": [ONE, ONE]})["listed"] == 1
    assert len(machine.orders()) == 1


def test_a_bucket_that_may_not_be_read_is_no_missing_image(aws: Aws) -> None:
    s3 = boto3.client("s3")
    with Stubber(s3) as stub:
        stub.add_client_error("head_object", "403")
        with pytest.raises(ClientError, match="403"):
            as_they_are(s3, PHOTOS, {"uri": Found.model_validate({"Key": BALL})}, {})


@pytest.mark.parametrize("code", ["400", "403"])
def test_one_image_that_s3_does_not_show_alone_does_not_cost_its_part(machine: Machine, aws: Aws, code: str) -> None:
    """Its uploader's key (400), a policy of its own (403): a list shows it, and the classify function says the reason."""
    for key in (BALL, f"{BALL}.jpg"):
        aws.s3.put_object(Bucket=PHOTOS, Key=key, Body=JPEG)

    def refuse(params: dict[str, Any], **_: object) -> None:
        if params["url_path"].endswith(BALL):
            raise ClientError({"Error": {"Code": code, "Message": ""}}, "HeadObject")

    events = aws.s3.meta.events
    events.register("before-call.s3.HeadObject", refuse, unique_id="refuse")
    tally = machine.run(NAMED)
    events.unregister("before-call.s3.HeadObject", unique_id="refuse")
    assert (tally["enqueued"], tally["missing"]) == (1, 1)
    [order] = machine.orders()
    assert (order.image.key, order.image.size_bytes) == (BALL, len(JPEG))


@given(st.text(max_size=20), st.sampled_from(['"', ""]))
def test_an_etag_is_the_same_with_quotes_and_without(etag: str, quote: str) -> None:
    bare = etag.strip('"')
    assert Found.model_validate({"Key": "k", "Etag": f"{quote}{bare}{quote}"}).etag == bare
    assert is_about(known_row(etag=bare), image_ref(version_id=None, etag=bare))


def test_at_the_end_the_parts_are_summed_up_and_the_batch_is_open(machine: Machine, aws: Aws) -> None:
    machine.has_row("photos/3.jpg")
    listed = ONE["object"] | {"Key": "photos/3.jpg"}
    for payload in (PART, NAMED, ONE | {"object": listed}):
        machine.run(payload)
    machine.run(event("backfill-close"))
    assert machine.report() == {
        "schema_version": "1.0",
        "job": JOB,
        "bucket": PHOTOS,
        "prefix": "photos/",
        "listed": 6,
        "enqueued": 2,
        "already": 1,
        "markers": 1,
        "missing": 2,
        "parts": 1,
        "closed_at": "2026-11-21T12:00:00Z",
    }
    opened = machine.ledger()
    assert (opened["expected"], opened["revision"]) == ("2", revision_of(part_keys(aws.s3, RESULTS, JOB)))


def test_the_end_of_a_manifest_names_it(machine: Machine) -> None:
    machine.run(event("backfill-close-named"))
    assert machine.report()["manifest"] == f"s3://{RESULTS}/batches/{JOB}/input.jsonl"


def test_with_nothing_to_do_no_batch_is_opened(machine: Machine) -> None:
    machine.has_row(BALL)
    machine.run(ONE)
    assert machine.run(event("backfill-close"))["already"] == 1
    assert (machine.report()["enqueued"], machine.ledger()) == (0, {})


def test_a_job_that_stopped_opens_the_batch_of_what_is_on_the_queue_and_says_why(machine: Machine) -> None:
    machine.run(PART)
    response = machine.run(event("backfill-close-stopped"))
    assert response["error"].startswith("States.ExceedToleratedFailureThreshold: ")
    assert machine.report()["error"] == response["error"]
    assert machine.ledger()["expected"] == "2"


def test_closing_twice_changes_nothing(machine: Machine) -> None:
    machine.run(PART)
    machine.run(event("backfill-close"))
    once = machine.ledger()
    machine.run(event("backfill-close"))
    assert machine.ledger() == once


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9), st.integers(0, 9)), max_size=12))
def test_every_part_counts_once_however_often_it_was_tried(tries: list[tuple[str, int, int]]) -> None:
    """On a list in memory: the figures are in the names."""
    keys: dict[str, Any] = {}
    s3: Any = _Names(keys)
    for part, enqueued, already in tries:
        write_tally(s3, RESULTS, JOB, PartTally(part, Tally(listed=10, enqueued=enqueued, already=already)))
    most = {part: max(enqueued for other, enqueued, _ in tries if other == part) for part, _, _ in tries}
    counted = total(s3, RESULTS, JOB)
    assert (counted.listed, counted.enqueued) == (10 * len(most), sum(most.values()))


class _Names:
    """A bucket of names only."""

    def __init__(self, keys: dict[str, Any]) -> None:
        self.keys = keys

    def put_object(self, *, Key: str, **_: object) -> None:  # noqa: N803 - boto3's names
        self.keys[Key] = None

    def get_paginator(self, _: str) -> _Names:
        return self

    def paginate(self, **_: object) -> Iterator[dict[str, Any]]:
        yield {"Contents": [{"Key": key} for key in [*self.keys, f"batches/{JOB}/backfill/notes.txt"]]}


def test_rows_are_read_by_the_hundred(machine: Machine) -> None:
    keys = [f"photos/{n}.jpg" for n in range(205)]
    for key in keys[::51]:
        machine.has_row(key)
    images = [f"s3://{PHOTOS}/{key}" for key in keys]
    assert sorted(known_rows(machine.aws.dynamodb, TABLE, "balls@1.0", images)) == sorted(images[::51])


@pytest.fixture
def deployed(settings: BackfillSettings, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The settings are in the environment."""
    for name, value in settings.model_dump().items():
        monkeypatch.setenv(name.upper(), str(value))
    for cached in (load_settings, open_clients):
        cached.cache_clear()
    yield
    for cached in (load_settings, open_clients):
        cached.cache_clear()


@pytest.mark.usefixtures("deployed")
def test_the_function_answers_as_it_is_deployed(machine: Machine) -> None:
    context: Any = _Context()
    assert lambda_handler(PART, context)["enqueued"] == 2
    assert lambda_handler(event("backfill-close"), context)["parts"] == 1
    assert machine.report()["closed_at"] > "2026"


@dataclass(frozen=True)
class _Context:
    """Lambda's context of an invocation."""

    function_name: str = "podium-backfill"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:000000000000:function:podium-backfill"
    aws_request_id: str = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"


def test_while_the_queue_is_deep_nothing_is_done_and_the_response_says_why(machine: Machine) -> None:
    deep = replace(machine, settings=machine.settings.model_copy(update={"pause_above": 2}))
    for n in range(3):
        machine.aws.sqs.send_message(QueueUrl=machine.aws.queue_url, MessageBody=f"{n}")
    assert deep.run(PART) == {"paused": {"waiting": 3, "pause_above": 2, "wait_s": FIRST_WAIT_S}}
    assert deep.expected() == []
    machine.aws.sqs.purge_queue(QueueUrl=machine.aws.queue_url)
    assert deep.run(PAUSED) == machine.run(PART), "when it has fallen, the part goes on as if it had never waited"


def test_messages_that_are_being_worked_on_are_on_the_queue_too(machine: Machine) -> None:
    deep = replace(machine, settings=machine.settings.model_copy(update={"pause_above": 1}))
    for n in range(2):
        machine.aws.sqs.send_message(QueueUrl=machine.aws.queue_url, MessageBody=f"{n}")
    machine.aws.sqs.receive_message(QueueUrl=machine.aws.queue_url, MaxNumberOfMessages=2)
    assert deep.run(ONE)["paused"]["waiting"] == 2


def test_pauses_double_from_a_minute_to_a_quarter_of_an_hour(machine: Machine) -> None:
    deep = replace(machine, settings=machine.settings.model_copy(update={"pause_above": 1}))
    for n in range(2):
        machine.aws.sqs.send_message(QueueUrl=machine.aws.queue_url, MessageBody=f"{n}")
    part, waits = dict(PAUSED), []
    for _ in range(6):
        part["outcome"] = deep.run(part)
        waits.append(part["outcome"]["paused"]["wait_s"])
    assert waits == [120, 240, 480, LONGEST_WAIT_S, LONGEST_WAIT_S, LONGEST_WAIT_S]


def test_the_end_is_never_paused(machine: Machine) -> None:
    deep = replace(machine, settings=machine.settings.model_copy(update={"pause_above": 1}))
    for n in range(2):
        machine.aws.sqs.send_message(QueueUrl=machine.aws.queue_url, MessageBody=f"{n}")
    assert "paused" not in deep.run(event("backfill-close"))
