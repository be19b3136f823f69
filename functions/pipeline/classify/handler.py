"""The Lambda that classifies uploads.

SQS batch -> ImageRefs -> (fetch, ask, store: all images at once) -> the ids of the messages to deliver again
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Executor
from datetime import datetime
from typing import Any, TypedDict

from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import BotoCoreError, ClientError

from pipeline.aws import Connections, open_connections
from pipeline.classify.conclusion import Fetched
from pipeline.classify.groups import Group, groups_of
from pipeline.classify.reporting import metrics, tell
from pipeline.classify.sqs_batch import Grouping, Report, threads, work_at_once
from pipeline.classify.steps import ImageSteps, utc_now
from pipeline.contracts import INCOMING_PREFIX, Order
from pipeline.errors import ModelUnavailable, describe
from pipeline.queue.events import orders_in
from pipeline.queue.messages import Message, SqsBatch
from pipeline.settings import Settings, load_settings
from pipeline.telemetry import logger

REPORTING_S = 3.0  # of an invocation's time are kept for back-off, log and answer


class ItemFailure(TypedDict):
    """A message that SQS delivers again."""

    itemIdentifier: str


class Answer(TypedDict):
    """Lambda's ReportBatchItemFailures: messages that are not named are deleted from the queue."""

    batchItemFailures: list[ItemFailure]


@logger.inject_lambda_context
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> Answer:
    """Classify every image that the SQS batch names.

    Never raises for what is in a message: an exception makes Lambda retry the whole batch and slow its pollers down.
    """
    messages, settings = SqsBatch.model_validate(event).messages, load_settings(Settings)
    return classify_messages(messages, settings, open_connections(settings), context.get_remaining_time_in_millis)


def classify_messages(
    messages: tuple[Message, ...],
    settings: Settings,
    connections: Connections,
    remaining_ms: Callable[[], int],
    *,
    workers: Callable[[], Executor] = threads,
    now: Callable[[], datetime] = utc_now,
    clock_s: Callable[[], float] = time.monotonic,
    group: Grouping = groups_of,
) -> Answer:
    """Classify, store, report; messages whose model did not answer are postponed, on their last receive buried."""
    connections.model.forget_idle_connections()

    def time_left_s() -> float:
        return remaining_ms() / 1000 - REPORTING_S

    def bury_unreadable(message: Message, reason: str) -> None:
        connections.queue.bury(message, "unreadable", reason)

    def as_the_server_takes_them(images: Sequence[Fetched], alone: Collection[Order]) -> Sequence[Group]:
        return group(images, alone) if connections.model.takes_tars() else [(image,) for image in images]

    steps = ImageSteps(connections, settings, time_left_s, now, clock_s)
    report = work_at_once(
        messages,
        read=our_orders_in,
        steps=steps,
        group=as_the_server_takes_them,
        bury=bury_unreadable,
        time_left_s=time_left_s,
        workers=workers,
    )
    failed = [message for message in messages if report.problems(message.message_id)]
    given_up = give_up(
        [message for message in failed if message.receives >= settings.max_receives], report, connections
    )
    again = [message for message in failed if message.message_id not in given_up]
    waits_s = [(message, _waits_s(report, message)) for message in again]
    connections.queue.postpone([(message, max(each_s)) for message, each_s in waits_s if each_s])
    tell(report, settings.model, given_up, tuple(steps.requests))
    return {"batchItemFailures": [{"itemIdentifier": message.message_id} for message in again]}


def give_up(messages: list[Message], report: Report, connections: Connections) -> dict[str, str]:
    """Bury messages after their last receive, with what went wrong; SQS would move them too, and not say why.

    The ids of those that are in the dead-letter queue now, and the reasons; one that cannot be sent there is moved by SQS.
    """
    buried: dict[str, str] = {}
    for message in messages:
        problems = "; ".join(dict.fromkeys(describe(problem) for problem in report.problems(message.message_id)))
        reason = f"tried {message.receives} times, at last: {problems}"
        try:
            connections.queue.bury(message, "given_up", reason)
        except (ClientError, BotoCoreError) as error:
            logger.warning("message not buried", message_id=message.message_id, reason=str(error))
        else:
            buried[message.message_id] = reason
    return buried


def our_orders_in(body: str) -> tuple[Order, ...]:
    """The uploads under the prefix that is ours, and all that we asked for ourselves.

    Other uploads mean that the bucket's notification lost its filter.
    """
    orders = orders_in(body)
    ours = tuple(it for it in orders if it.sender != "upload" or it.image.key.startswith(INCOMING_PREFIX))
    for order in set(orders) - set(ours):
        logger.warning("image not ours", image=order.image.uri, reason=f"its key does not begin with {INCOMING_PREFIX}")
    return ours


def _waits_s(report: Report, message: Message) -> list[int]:
    """For each image that waits for the model server, in how many seconds it said to come back; 0 where it did not say."""
    problems = report.problems(message.message_id)
    return [problem.retry_after_s or 0 for problem in problems if isinstance(problem, ModelUnavailable)]
