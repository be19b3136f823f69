"""What is done to a message besides reporting it."""

from __future__ import annotations

import boto3
import pytest
from botocore.stub import Stubber
from hypothesis import given
from hypothesis import strategies as st

from pipeline.queue.messages import LONGEST_BACK_OFF_S, Message, Queue, SqsBatch, backoff_s
from tests.functions.conftest import Aws
from tests.functions.factories import event, message


def test_a_lambda_event_is_read_into_messages() -> None:
    [first, second] = SqsBatch.model_validate(event("sqs-duplicate-delivery")).messages
    assert first.body == second.body
    assert first.message_id != second.message_id
    assert first.attributes.receive_count == 1


def test_back_off_doubles_from_ten_seconds_to_six_minutes() -> None:
    assert [backoff_s(receives, lambda: 1.0) for receives in range(1, 9)] == [10, 20, 40, 80, 160, 320, 360, 360]
    assert [backoff_s(receives, lambda: 0.0) for receives in range(1, 9)] == [5, 10, 20, 40, 80, 160, 180, 180]


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_back_off_stays_between_half_and_full(receives: int, drawn: float) -> None:
    full = min(10 * 2 ** (min(receives, 20) - 1), LONGEST_BACK_OFF_S)
    assert full / 2 <= backoff_s(receives, lambda: drawn) <= full


def received(aws: Aws, count: int) -> list[Message]:
    """Messages that were sent and received: invisible for 30 s."""
    for n in range(count):
        aws.sqs.send_message(QueueUrl=aws.queue_url, MessageBody=f"body {n}")
    answers = [aws.sqs.receive_message(QueueUrl=aws.queue_url, MaxNumberOfMessages=10) for _ in range(0, count, 10)]
    return [
        message(body=it["Body"], message_id=it["MessageId"]).model_copy(update={"receipt_handle": it["ReceiptHandle"]})
        for answer in answers
        for it in answer["Messages"]
    ]


def visible(aws: Aws) -> int:
    return len(aws.sqs.receive_message(QueueUrl=aws.queue_url, MaxNumberOfMessages=10).get("Messages", []))


def test_postponed_messages_wait_their_back_off_and_no_others(aws: Aws) -> None:
    """A back-off of nought makes the effect visible without waiting."""
    messages = received(aws, 13)
    assert visible(aws) == 0
    Queue(aws.sqs, aws.queue_url, aws.dlq_url, draw=lambda: -1.0).postpone((it, 0) for it in messages[:12])
    assert visible(aws) + visible(aws) == 12


@pytest.mark.parametrize(("least_s", "hidden_s"), [(0, 10), (7, 10), (45, 45), (3_600, LONGEST_BACK_OFF_S)])
def test_a_message_waits_for_the_servers_retry_after_and_never_longer_than_the_longest_back_off(
    least_s: int, hidden_s: int
) -> None:
    sqs = boto3.client("sqs", region_name="us-east-1", aws_access_key_id="testing", aws_secret_access_key="testing")
    sent, stub = message(), Stubber(sqs)
    request = {"QueueUrl": "https://queue", "ReceiptHandle": sent.receipt_handle, "VisibilityTimeout": hidden_s}
    stub.add_response("change_message_visibility", {}, request)
    with stub:
        Queue(sqs, "https://queue", "https://dlq", draw=lambda: 1.0).postpone([(sent, least_s)])


def test_a_message_that_cannot_be_postponed_is_logged_and_harms_no_other(
    aws: Aws, caplog: pytest.LogCaptureFixture
) -> None:
    messages = received(aws, 2)
    unknown = messages[0].model_copy(update={"receipt_handle": "no such handle"})
    Queue(aws.sqs, aws.queue_url, aws.dlq_url, draw=lambda: -1.0).postpone([(unknown, 0), (messages[1], 0)])
    assert [record.message for record in caplog.records] == ["message not postponed"]
    assert visible(aws) == 1


def test_a_queue_that_refuses_is_logged_and_not_raised(caplog: pytest.LogCaptureFixture) -> None:
    sqs = boto3.client("sqs", region_name="us-east-1", aws_access_key_id="testing", aws_secret_access_key="testing")
    stub = Stubber(sqs)
    stub.add_client_error("change_message_visibility", "AccessDenied")
    with stub:
        Queue(sqs, "https://queue", "https://dlq").postpone([(message(), 0)])
    assert [record.message for record in caplog.records] == ["message not postponed"]


def test_nothing_to_postpone_is_no_request() -> None:
    sqs = boto3.client("sqs", region_name="us-east-1", aws_access_key_id="testing", aws_secret_access_key="testing")
    with Stubber(sqs):
        Queue(sqs, "https://queue", "https://dlq").postpone([])


def test_a_buried_message_keeps_its_body_and_says_why(aws: Aws) -> None:
    Queue(aws.sqs, aws.queue_url, aws.dlq_url).bury(
        message("Hello from SQS!", "m7"), "unreadable", "the message is not JSON"
    )
    [dead] = aws.dead_letters()
    assert dead["Body"] == "Hello from SQS!"
    attributes = {name: attribute["StringValue"] for name, attribute in dead["MessageAttributes"].items()}
    assert attributes == {"code": "unreadable", "reason": "the message is not JSON", "source_message_id": "m7"}
