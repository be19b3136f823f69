"""The queue's messages. One that is not done is postponed, or buried: sent to the dead-letter queue with a reason."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import batched
from typing import TYPE_CHECKING

from pydantic import Field

from pipeline.contracts import DeadLetterCode, Record
from pipeline.queue.together import ENTRIES, hide_together
from pipeline.telemetry import logger

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

FIRST_BACK_OFF_S = 10
LONGEST_BACK_OFF_S = 360
REASON_CHARACTERS = 1000


class _Attributes(Record):
    receive_count: int = Field(alias="ApproximateReceiveCount")


class Message(Record):
    """One message, as Lambda hands it over."""

    message_id: str = Field(alias="messageId")
    receipt_handle: str = Field(alias="receiptHandle")
    body: str
    attributes: _Attributes

    @property
    def receives(self) -> int:
        """How often the message was handed out, this time included."""
        return self.attributes.receive_count


class SqsBatch(Record):
    """One invocation's messages."""

    messages: tuple[Message, ...] = Field(alias="Records")


def backoff_s(receive_count: int, draw: Callable[[], float]) -> int:
    """How many seconds a message waits after its nth receive: 10, doubling to 360, jittered between half and full.

    `draw` draws from [0, 1). Equal jitter, https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """
    full = min(FIRST_BACK_OFF_S << min(receive_count - 1, 16), LONGEST_BACK_OFF_S)
    return round(full * (1 + draw()) / 2)


def messages_on(sqs: SQSClient, queue_url: str) -> int:
    """How many messages the queue holds: visible, delayed or in flight; approximately."""
    counts = sqs.get_queue_attributes(
        QueueUrl=queue_url,
        AttributeNames=[
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesNotVisible",
            "ApproximateNumberOfMessagesDelayed",
        ],
    )["Attributes"]
    return sum(int(count) for count in counts.values())


@dataclass(frozen=True)
class Queue:
    """The queue that feeds the functions, and its dead-letter queue."""

    sqs: SQSClient
    url: str
    dlq_url: str
    draw: Callable[[], float] = random.random

    def postpone(self, messages: Iterable[tuple[Message, int]]) -> None:
        """Hide each message for its back-off, and for so many seconds at least, but never for more than the longest back-off.

        One that cannot be hidden returns after the visibility time-out instead.
        """
        waits = [
            (message, min(max(backoff_s(message.receives, self.draw), least_s), LONGEST_BACK_OFF_S))
            for message, least_s in messages
        ]
        for some in batched(waits, ENTRIES, strict=False):
            ids = {message.receipt_handle: message.message_id for message, _ in some}
            hidden = [(message.receipt_handle, wait_s) for message, wait_s in some]
            for (receipt, _), error in hide_together(self.sqs, self.url, hidden):
                logger.warning("message not postponed", message_id=ids[receipt], reason=str(error))

    def bury(self, message: Message, code: DeadLetterCode, reason: str) -> None:
        """Send the message to the dead-letter queue, as it came, with the reason; the caller acknowledges the original."""
        self.sqs.send_message(
            QueueUrl=self.dlq_url,
            MessageBody=message.body,
            MessageAttributes={
                "code": {"DataType": "String", "StringValue": code},
                "reason": {"DataType": "String", "StringValue": _attribute(reason)},
                "source_message_id": {"DataType": "String", "StringValue": message.message_id},
            },
        )


def _attribute(text: str) -> str:
    """The text as SQS takes it in an attribute: not everything that Unicode has, and not without end."""
    return "".join(character if character.isprintable() else " " for character in text[:REASON_CHARACTERS])
