"""From what became of the images to Lambda's response: which messages are done, and which come again, and when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

from botocore.exceptions import BotoCoreError, ClientError

from pipeline.classify.clock import Clock, outcome_of
from pipeline.classify.images import Finished
from pipeline.classify.read import Inbox
from pipeline.contracts import Order
from pipeline.errors import ModelUnavailable, describe
from pipeline.queue.messages import Message, Queue
from pipeline.telemetry import logger


class ItemFailure(TypedDict):
    """A message that SQS delivers again."""

    itemIdentifier: str


class Response(TypedDict):
    """Lambda's ReportBatchItemFailures: messages that are not named are deleted from the queue."""

    batchItemFailures: list[ItemFailure]


@dataclass(frozen=True)
class Outcomes:
    """What became of one SQS batch; messages by their id."""

    images: Mapping[Order, Finished | BaseException]
    orders_of: Mapping[str, tuple[Order, ...]]
    unreadable: Mapping[str, str]
    broken: Mapping[str, BaseException]  # neither read nor buried

    def problems(self, message_id: str) -> tuple[BaseException, ...]:
        """Why the message must come again; empty when everything it asks for is done."""
        outcomes = [self.images[order] for order in self.orders_of.get(message_id, ())] + [self.broken.get(message_id)]
        return tuple(outcome for outcome in outcomes if isinstance(outcome, BaseException))

    def wait_s(self, message_id: str) -> int | None:
        """Seconds after which the model server accepts the message again, 0 if it named none; None if it is not the cause."""
        waiting = [it for it in self.problems(message_id) if isinstance(it, ModelUnavailable)]
        return max((it.retry_after_s or 0 for it in waiting), default=None)


def outcomes_of(inbox: Inbox, images: Mapping[Order, Finished | BaseException], clock: Clock) -> Outcomes:
    """The images' outcomes, and those of the messages that were not read or that are buried."""
    settled = {message_id: outcome_of(it, clock) for message_id, it in inbox.unsettled.items()}
    broken = {message_id: problem for message_id, problem in settled.items() if problem is not None}
    return Outcomes(images, inbox.orders_of, inbox.unreadable, broken)


def give_up(messages: Sequence[Message], outcomes: Outcomes, queue: Queue, max_receives: int) -> dict[str, str]:
    """Bury messages that failed at their last receive, with the reason; SQS would move them too, without one.

    The ids of those that are in the dead-letter queue now, and the reasons; one that cannot be sent there is moved by SQS.
    """
    buried: dict[str, str] = {}
    for message in messages:
        problems = outcomes.problems(message.message_id)
        if not problems or message.receives < max_receives:
            continue
        described = "; ".join(dict.fromkeys(map(describe, problems)))
        reason = f"tried {message.receives} times, at last: {described}"
        try:
            queue.bury(message, "given_up", reason)
        except (ClientError, BotoCoreError) as error:
            logger.warning("message not buried", message_id=message.message_id, reason=str(error))
        else:
            buried[message.message_id] = reason
    return buried


def answer(messages: Sequence[Message], outcomes: Outcomes, given_up: Mapping[str, str], queue: Queue) -> Response:
    """Name the messages that come again; postpone those that wait for the model server."""
    failed = [message for message in messages if outcomes.problems(message.message_id)]
    again = [message for message in failed if message.message_id not in given_up]
    waits = ((message, outcomes.wait_s(message.message_id)) for message in again)
    queue.postpone([(message, wait_s) for message, wait_s in waits if wait_s is not None])
    return {"batchItemFailures": [{"itemIdentifier": message.message_id} for message in again]}
