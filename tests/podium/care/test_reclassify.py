"""Images that go on the queue again, for another version of the model."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any, cast, get_args

import pytest

from pipeline.contracts import ImageRef, ModelFacts, Order, RejectionCode
from podium.batches.results import RowFilter
from podium.care.reclassify import NEVER_SEEN, Plan, check_served, model_of, plan, send_all
from podium.connection import Connection
from podium.errors import EXIT_USAGE, ConsoleError
from tests.podium.care.clock import Clock
from tests.podium.care.queues import Sqs, bodies, fails
from tests.podium.conftest import INPUT, put_row

NEXT = ModelFacts(name="balls", version="2.0")


@pytest.fixture
def classified(connection: Connection) -> Connection:
    """Three images that balls@1.0 has seen, and one that no model has."""
    put_row(connection, "incoming/monday/1.jpg", uncertain="best probability 0.51")
    put_row(connection, "incoming/monday/2.jpg", label="rugby ball")
    put_row(connection, "incoming/tuesday/3.jpg")
    put_row(connection, "incoming/monday/empty.jpg", label=None)
    return connection


def planned(connection: Connection, *, again: bool = False, limit: int | None = None, **fields: object) -> Plan:
    return plan(connection, RowFilter.model_validate(fields), NEXT, again=again, limit=limit)


def names(of: Plan) -> list[str]:
    return sorted(order.image.key.removeprefix("incoming/") for order in of.orders)


def has_seen(connection: Connection, key: str, **changes: object) -> None:
    """A row of the image under NEXT."""
    [row] = connection.table.query(
        KeyConditionExpression="image = :image",
        ExpressionAttributeValues={":image": f"s3://{INPUT}/{key}"},
    )["Items"]
    seen = {**row, "model": NEXT.ref, **changes}
    connection.table.put_item(Item=cast(Any, {name: value for name, value in seen.items() if value is not None}))


def test_an_order_names_the_model_and_the_very_upload_that_the_row_is_of(classified: Connection) -> None:
    [order] = planned(classified, label="rugby ball").orders
    assert order == Order(
        image=ImageRef(
            bucket=INPUT, key="incoming/monday/2.jpg", version_id="v1", etag="e", size_bytes=10,
            sequencer="0A".ljust(32, "0"),
        ),
        sender="reclassify", batch="monday", model=NEXT,
    )  # fmt: skip


def test_images_are_chosen_by_batch_label_doubt_or_name(classified: Connection) -> None:
    assert names(planned(classified, batch="monday")) == ["monday/1.jpg", "monday/2.jpg"]
    assert names(planned(classified, label="baseball")) == ["monday/1.jpg", "tuesday/3.jpg"]
    assert names(planned(classified, uncertain=True)) == ["monday/1.jpg"]
    assert names(planned(classified, image="incoming/tuesday/3.jpg")) == ["tuesday/3.jpg"]
    assert names(planned(classified, image="incoming/tuesday/3.jpg", batch="monday")) == []


def test_what_no_model_ever_saw_is_left_out_and_counted(classified: Connection) -> None:
    assert planned(classified, batch="monday").never_seen == 1


def test_what_the_server_rejected_another_model_may_read(classified: Connection) -> None:
    [row] = classified.table.query(
        KeyConditionExpression="image = :image",
        ExpressionAttributeValues={":image": f"s3://{INPUT}/incoming/monday/empty.jpg"},
    )["Items"]
    classified.table.put_item(Item=cast(Any, {**row, "rejected_code": "unreadable"}))
    assert names(planned(classified, image="incoming/monday/empty.jpg")) == ["monday/empty.jpg"]


def test_an_image_that_has_its_row_of_that_model_is_left_out_unless_requested_again(classified: Connection) -> None:
    has_seen(classified, "incoming/monday/1.jpg")
    once = planned(classified, batch="monday")
    assert (names(once), once.already) == (["monday/2.jpg"], 1)
    assert names(planned(classified, batch="monday", again=True)) == ["monday/1.jpg", "monday/2.jpg"]


def test_a_row_of_that_model_about_an_older_upload_does_not_count(classified: Connection) -> None:
    has_seen(classified, "incoming/monday/1.jpg", version_id="v0", sequencer="09".ljust(32, "0"))
    assert names(planned(classified, batch="monday")) == ["monday/1.jpg", "monday/2.jpg"]


def test_a_row_of_that_model_without_a_version_counts_by_its_bytes(classified: Connection) -> None:
    """As a backfill writes it."""
    has_seen(classified, "incoming/monday/1.jpg", version_id=None)
    assert names(planned(classified, batch="monday")) == ["monday/2.jpg"]


def test_an_order_that_would_lose_to_that_models_row_of_a_newer_upload_is_not_made(classified: Connection) -> None:
    has_seen(classified, "incoming/monday/2.jpg", version_id="v2", sequencer="0B".ljust(32, "0"), batch="other")
    assert names(planned(classified, batch="monday")) == ["monday/1.jpg"]


def test_an_image_with_rows_of_two_models_is_ordered_once_by_its_latest_upload(classified: Connection) -> None:
    has_seen(classified, "incoming/monday/2.jpg", model="balls@1.1", version_id="v2", sequencer="0B".ljust(32, "0"))
    orders = {order.image.key: order.image.version_id for order in planned(classified, batch="monday").orders}
    assert orders == {"incoming/monday/1.jpg": "v1", "incoming/monday/2.jpg": "v2"}


def test_a_limit_counts_orders(classified: Connection) -> None:
    has_seen(classified, "incoming/monday/1.jpg")
    assert names(planned(classified, batch="monday", limit=1)) == ["monday/2.jpg"]
    assert len(planned(classified, label="baseball", again=True, limit=1).orders) == 1


def test_orders_go_out_at_their_rate_and_are_counted(classified: Connection) -> None:
    orders = planned(classified, label="baseball").orders * 60
    clock, counted = Clock(), cast("list[int]", [])
    send_all(classified, orders, clock.limiter(10), counted.append)
    assert counted == [100, 120]
    assert round(clock.now_s, 6) == 11.9
    assert len(bodies(classified, classified.facts.queue_url)) == 120


def test_a_queue_that_refuses_is_a_sentence_with_the_count(classified: Connection) -> None:
    cast(Any, classified).sqs = Sqs(classified.sqs, send_message_batch=fails)
    with pytest.raises(ConsoleError, match="after 0 of 2 images"):
        send_all(classified, planned(classified, label="baseball").orders, Clock().limiter(10))


@pytest.mark.parametrize("text", ["balls", "balls@", "@1.0", "a/b@1.0", "balls@1/0", "balls@1.0@2"])
def test_a_model_without_name_or_version_is_refused(text: str) -> None:
    with pytest.raises(ConsoleError, match="NAME@VERSION") as refused:
        model_of(text)
    assert refused.value.exit_code == EXIT_USAGE


def test_a_model_is_its_name_and_version() -> None:
    assert model_of("balls@2.0") == NEXT


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
    assert set(get_args(RejectionCode)) - NEVER_SEEN == {"unreadable", "too_many_pixels", "too_slow"}
