"""The Lambda that classifies uploads.

SQS batch -> ImageRefs -> (fetch, predict, store: all images at once) -> the ids of the messages to deliver again
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypedDict

from aws_lambda_powertools.utilities.typing import LambdaContext

from pipeline.at_once import Finished, Report, work_at_once
from pipeline.classification import classify_image
from pipeline.connections import Connections, open_connections
from pipeline.contracts import INCOMING_PREFIX, ImageRef, ServerAnswer
from pipeline.errors import ModelUnavailable
from pipeline.events import images_in
from pipeline.images import fetch
from pipeline.log import logger
from pipeline.queue import Message, SqsBatch
from pipeline.reporting import metrics, tell
from pipeline.settings import Settings, load_settings

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
    return classify_messages(
        SqsBatch.model_validate(event).messages, load_settings(), context.get_remaining_time_in_millis
    )


def classify_messages(messages: tuple[Message, ...], settings: Settings, remaining_ms: Callable[[], int]) -> Answer:
    """Classify, store, report; messages whose model did not answer are postponed."""
    connections = open_connections(settings)
    connections.model.forget_idle_connections()

    def time_left_s() -> float:
        return remaining_ms() / 1000 - REPORTING_S

    report = work_at_once(
        messages,
        read=our_images_in,
        work=partial(classify_and_store, connections=connections, settings=settings, time_left_s=time_left_s),
        bury=connections.queue.bury,
        time_left_s=time_left_s,
    )
    connections.queue.postpone([message for message in messages if _waits_for_the_model(report, message)])
    tell(report, settings.model)
    failed = [message.message_id for message in messages if report.problems(message.message_id)]
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}


def our_images_in(body: str) -> tuple[ImageRef, ...]:
    """The images under the prefix that is ours; others mean that the bucket's notification lost its filter."""
    images = images_in(body)
    for image in images:
        if not image.key.startswith(INCOMING_PREFIX):
            logger.warning("image not ours", image=image.uri, reason=f"its key does not begin with {INCOMING_PREFIX}")
    return tuple(image for image in images if image.key.startswith(INCOMING_PREFIX))


def classify_and_store(
    image: ImageRef, *, connections: Connections, settings: Settings, time_left_s: Callable[[], float]
) -> Finished:
    """One image's whole way; doing it again ends in the same state."""

    def predict(data: bytes, image: ImageRef) -> ServerAnswer:
        return connections.model.predict(data, image, budget_s=time_left_s())

    classification = classify_image(
        image,
        fetch=partial(fetch, s3=connections.s3, max_bytes=settings.max_image_bytes),
        predict=predict,
        expected=settings.model,
        now=datetime.now(UTC),
        clock_s=time.monotonic,
    )
    return Finished(classification, connections.store.put(classification))


def _waits_for_the_model(report: Report, message: Message) -> bool:
    return any(isinstance(problem, ModelUnavailable) for problem in report.problems(message.message_id))
