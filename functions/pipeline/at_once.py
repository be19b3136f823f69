"""All images of one SQS batch at the same time, so that the model server's inference batch fills.

messages -> read -> work, once for each distinct order -> what became of every image and every message

Threads, and not Powertools' AsyncBatchProcessor: that one awaits its records without a deadline, and would run these
blocking clients in asyncio's default pool, which has six threads on a Lambda.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple

from pipeline.contracts import Classification, Order
from pipeline.errors import MessageUnreadable
from pipeline.queue import Message
from pipeline.store import Stored

IMAGES_AT_ONCE = 32  # threads, and connections of every client; not less than the queue mapping's BatchSize


class Finished(NamedTuple):
    """An image that needs no more work."""

    classification: Classification
    stored: Stored


class OutOfTime(Exception):
    """The invocation's time ended first: the message returns to the queue."""


@dataclass(frozen=True)
class Report:
    """What became of one SQS batch; messages by their id."""

    orders: Mapping[Order, Finished | BaseException]
    wanted: Mapping[str, tuple[Order, ...]]
    unreadable: Mapping[str, str]
    broken: Mapping[str, BaseException]  # neither read nor buried

    def problems(self, message_id: str) -> tuple[BaseException, ...]:
        """Why the message must come again; empty when everything it asks for is done."""
        outcomes = [self.orders[order] for order in self.wanted.get(message_id, ())] + [self.broken.get(message_id)]
        return tuple(outcome for outcome in outcomes if isinstance(outcome, BaseException))


def threads() -> Executor:
    """Workers for one SQS batch."""
    return ThreadPoolExecutor(IMAGES_AT_ONCE, thread_name_prefix="image")


def work_at_once(
    messages: Sequence[Message],
    *,
    read: Callable[[str], tuple[Order, ...]],
    work: Callable[[Order], Finished],
    bury: Callable[[Message, str], None],
    time_left_s: Callable[[], float],
    workers: Callable[[], Executor] = threads,
) -> Report:
    """Work on every image that the messages name, and bury the messages that are unreadable, until the time is over.

    Whatever goes wrong stays in the future it went wrong in: a bug, too, fails its own message and no other.
    What is not finished in time is reported as OutOfTime. It may still finish later: `work` must bear being repeated.
    """
    pool = workers()
    wanted: dict[str, tuple[Order, ...]] = {}
    unreadable: dict[str, str] = {}
    chores: dict[str, Future[Any]] = {}
    for message, reading in [(message, pool.submit(read, message.body)) for message in messages]:
        match reading.exception():
            case None:
                wanted[message.message_id] = reading.result()
            case MessageUnreadable() as error:
                unreadable[message.message_id] = str(error)
                chores[message.message_id] = pool.submit(bury, message, str(error))
            case _:
                chores[message.message_id] = reading
    orders = {order: pool.submit(work, order) for order in dict.fromkeys(chain.from_iterable(wanted.values()))}
    done = {order: _outcome(working, time_left_s()) for order, working in orders.items()}
    broken = {message_id: _outcome(chore, time_left_s()) for message_id, chore in chores.items()}
    pool.shutdown(wait=False, cancel_futures=True)
    return Report(
        orders=done,
        wanted=wanted,
        unreadable=unreadable,
        broken={message_id: outcome for message_id, outcome in broken.items() if outcome is not None},
    )


def _outcome(future: Future[Any], wait_s: float) -> Any:  # noqa: ANN401 (its result, or what it raised)
    try:
        return future.exception(max(0.0, wait_s)) or future.result()
    except TimeoutError:  # of this waiting: one that the work itself raised is returned above
        return OutOfTime("the invocation's time ended before this was done")
