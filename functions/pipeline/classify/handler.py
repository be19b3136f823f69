"""The Lambda that classifies uploads.

messages -> read -> images -> fetch -> bytes -> ask -> answers -> store -> results -> answer -> the messages that come again
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from itertools import batched
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from pipeline.aws import MOST_CONNECTIONS
from pipeline.classify.answer import Response, answer, give_up, outcomes_of
from pipeline.classify.ask import Asker
from pipeline.classify.clock import Clock, clock_of
from pipeline.classify.connections import Connections, open_connections
from pipeline.classify.fetch import Fetcher, Fetches
from pipeline.classify.groups import groups_of
from pipeline.classify.images import Finished
from pipeline.classify.lines import LineStorer
from pipeline.classify.read import read
from pipeline.classify.reporting import report
from pipeline.classify.store import Storer
from pipeline.contracts import Order
from pipeline.queue.messages import Message, SqsBatch
from pipeline.settings import Settings, load_settings
from pipeline.telemetry import logger, metrics

IMAGES_AT_ONCE = MOST_CONNECTIONS  # in memory; not less than the queue mapping's BatchSize
THREADS = IMAGES_AT_ONCE + IMAGES_AT_ONCE // 2 + 1  # one for each image, each request of two or more, and one for lines
STORERS: dict[str, type[Storer]] = {"each": Storer, "lines": LineStorer}


def threads() -> Executor:
    """Workers for one SQS batch.

    Threads, and not Powertools' AsyncBatchProcessor: that one awaits its records without a deadline, and would run these
    blocking clients in asyncio's default pool, which has six threads on a Lambda.
    """
    return ThreadPoolExecutor(THREADS, thread_name_prefix="image")


@logger.inject_lambda_context
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> Response:
    """Classify every image that the SQS batch names.

    Never raises for the content of a message: an exception makes Lambda retry the whole batch and slow its pollers down.
    """
    messages, settings = SqsBatch.model_validate(event).messages, load_settings(Settings)
    return classify_messages(messages, settings, open_connections(settings), clock_of(context))


def classify_messages(
    messages: tuple[Message, ...],
    settings: Settings,
    connections: Connections,
    clock: Clock,
    workers: Callable[[], Executor] = threads,
) -> Response:
    """Classify, store, report; messages whose model did not answer are postponed, at their last receive buried.

    Whatever goes wrong stays with the image or message it went wrong with: a bug, too, fails its own message and no other.
    What is not finished in time comes again. It may still finish later: every step must bear being repeated.
    """
    pool = workers()
    fetcher = Fetcher(connections.s3, settings.max_image_bytes, clock, pool)
    asker = Asker(connections.model, clock, pool)
    storer = STORERS[settings.results](connections.store, settings.model, clock, pool)

    inbox = read(messages, connections.queue, pool)
    trial = connections.trials.begin(clock, inbox.orders, pool)
    images: dict[Order, Finished | BaseException] = {}
    fetches = Fetches()
    for orders in batched(inbox.orders, IMAGES_AT_ONCE, strict=False):  # no more than fit in memory
        fetches = fetcher.fetch_all(orders)
        ours, candidates = trial.split(fetches.images, inbox.came_before)
        groups = groups_of(ours, inbox.came_before, connections.model.images_at_once())
        answers = asker.ask_all(groups) | trial.ask_all(candidates, pool)
        images |= fetches.failed | storer.store_all(fetches.rejected | answers)
    trial.compare(fetches.images, images, inbox.came_before, pool)
    connections.trials.end(trial, clock, pool)
    outcomes = outcomes_of(inbox, images, clock)
    pool.shutdown(wait=False, cancel_futures=True)

    given_up = give_up(messages, outcomes, connections.queue, settings.max_receives)
    response = answer(messages, outcomes, given_up, connections.queue)
    report(outcomes, settings.model, given_up, tuple(asker.requests), trial)
    return response
