"""Ten messages in a request where SQS takes them, one by one where it denies that, and none is forgotten."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.stub import ANY, Stubber

from pipeline.queue.messages import Queue
from pipeline.queue.orders import send
from pipeline.queue.together import BYTES, delete_together, send_together, tens
from tests.functions.conftest import Aws
from tests.functions.factories import image_ref, message, order
from tests.functions.queue.test_messages import received, visible

URL = "https://queue"


class Role:
    """SQS for a role that may send one message, in a store that denies it ten; it counts what it is asked for."""

    def __init__(self, *, denies_all: bool = False) -> None:
        self.sqs = boto3.client("sqs", region_name="us-east-1", aws_access_key_id="testing", aws_secret_access_key="t")
        self.asked: Counter[str] = Counter()
        self._denies_all = denies_all
        self.sqs.meta.events.register("before-call.sqs", self._answer)

    def _answer(self, model: Any, **_: object) -> Any:  # noqa: ANN401 - botocore's
        self.asked[model.name] += 1
        if self._denies_all or model.name.endswith("Batch"):
            error = {"Error": {"Code": "AccessDeniedException", "Message": f"not authorized: sqs:{model.name}"}}
            return Refused(400), error
        return Refused(200), {"MessageId": "m", "MD5OfMessageBody": ""}


class Refused:
    """A response of botocore's, without a connection."""

    def __init__(self, status: int) -> None:
        self.status_code, self.headers = status, dict[str, str]()


@pytest.fixture
def asked(aws: Aws) -> Iterator[Counter[str]]:
    """What SQS is asked for, by operation."""
    counted: Counter[str] = Counter()

    def count(model: Any, **_: object) -> None:  # noqa: ANN401 - botocore's
        counted[model.name] += 1

    aws.sqs.meta.events.register("before-call.sqs", count)
    yield counted
    aws.sqs.meta.events.unregister("before-call.sqs", count)


def test_five_hundred_orders_are_fifty_requests(aws: Aws, asked: Counter[str]) -> None:
    orders = [order(image_ref(key=f"incoming/monday/{n}.jpg"), sender="backfill") for n in range(500)]
    assert send(orders, aws.sqs, aws.queue_url) == 500
    assert asked == {"SendMessageBatch": 50}


def test_twelve_messages_are_postponed_by_two_requests(aws: Aws, asked: Counter[str]) -> None:
    messages = received(aws, 12)
    asked.clear()
    Queue(aws.sqs, aws.queue_url, aws.dlq_url, draw=lambda: -1.0).postpone((it, 0) for it in messages)
    assert asked == {"ChangeMessageVisibilityBatch": 2}
    assert visible(aws) + visible(aws) == 12


def test_a_store_that_denies_ten_together_is_asked_once_and_gets_them_one_by_one() -> None:
    role = Role()
    for _ in range(3):
        assert send_together(role.sqs, URL, [str(n) for n in range(10)]) == []
    assert role.asked == {"SendMessageBatch": 1, "SendMessage": 30}


def test_what_one_operation_is_denied_says_nothing_of_another() -> None:
    role = Role()
    send_together(role.sqs, URL, ["a", "b"])
    delete_together(role.sqs, URL, ["a", "b"])
    assert role.asked == {"SendMessageBatch": 1, "SendMessage": 2, "DeleteMessageBatch": 1, "DeleteMessage": 2}


def test_a_role_that_may_send_nothing_yet_is_asked_for_ten_again() -> None:
    """Permissions of AWS take a moment; what they were at first is not remembered for the life of the process."""
    role = Role(denies_all=True)
    for _ in range(2):
        failed = send_together(role.sqs, URL, ["a", "b"])
        assert [body for body, _ in failed] == ["a", "b"]
    assert role.asked == {"SendMessageBatch": 2, "SendMessage": 4}


def test_entries_that_failed_are_tried_alone_and_keep_their_own_error() -> None:
    sqs = boto3.client("sqs", region_name="us-east-1", aws_access_key_id="testing", aws_secret_access_key="t")
    with Stubber(sqs) as stub:
        answer = {
            "Successful": [],
            "Failed": [{"Id": it, "Code": "InternalError", "SenderFault": False} for it in ("1", "2")],
        }
        stub.add_response("send_message_batch", answer, {"QueueUrl": URL, "Entries": ANY})
        stub.add_response("send_message", {}, {"QueueUrl": URL, "MessageBody": "b"})
        stub.add_client_error(
            "send_message", "InvalidMessageContents", expected_params={"QueueUrl": URL, "MessageBody": "c"}
        )
        [(body, error)] = send_together(sqs, URL, ["a", "b", "c"])
        stub.assert_no_pending_responses()
    assert (body, "InvalidMessageContents" in str(error)) == ("c", True)


def test_a_request_that_reaches_nobody_is_not_repeated_for_each_of_its_messages() -> None:
    sqs = boto3.client("sqs", region_name="us-east-1", aws_access_key_id="testing", aws_secret_access_key="t")
    asked: list[str] = []

    def nobody(model: Any, **_: object) -> None:  # noqa: ANN401 - botocore's
        asked.append(model.name)
        raise EndpointConnectionError(endpoint_url=URL)

    sqs.meta.events.register("before-call.sqs", nobody)
    failed = send_together(sqs, URL, ["a", "b", "c"])
    assert [body for body, _ in failed] == ["a", "b", "c"]
    assert asked == ["SendMessageBatch"]


def test_a_batch_that_cannot_be_hidden_at_all_is_logged_for_each(caplog: pytest.LogCaptureFixture) -> None:
    role = Role(denies_all=True)
    Queue(role.sqs, URL, "https://dlq").postpone([(message(message_id="m1"), 0), (message(message_id="m2"), 0)])
    assert [record.message for record in caplog.records] == ["message not postponed"] * 2


@pytest.mark.parametrize(
    ("sizes", "together"),
    [
        ([1] * 23, [10, 10, 3]),
        ([BYTES, 1], [1, 1]),
        ([BYTES // 2, BYTES // 2, 1], [2, 1]),
        ([BYTES + 1], [1]),  # SQS says what is wrong with it
        ([], []),
    ],
)
def test_a_request_carries_ten_messages_and_a_mebibyte_at_most(sizes: list[int], together: list[int]) -> None:
    assert [len(some) for some in tens("x" * size for size in sizes)] == together


def test_bytes_are_counted_and_not_characters() -> None:
    assert [len(some) for some in tens(["é" * (BYTES // 2), "x"])] == [1, 1]
