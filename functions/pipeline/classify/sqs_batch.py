"""One SQS batch: all its images at the same time, in as few requests to the model server as that allows.

messages -> read -> work on each distinct order, in waves -> what became of every image and every message

Threads, and not Powertools' AsyncBatchProcessor: that one awaits its records without a deadline, and would run these
blocking clients in asyncio's default pool, which has six threads on a Lambda.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from typing import Any

from pipeline.classify.conclusion import Fetched
from pipeline.classify.groups import Group
from pipeline.classify.waves import IMAGES_AT_ONCE, THREADS, Finished, Steps, Wave, outcome_of
from pipeline.contracts import Order
from pipeline.errors import MessageUnreadable
from pipeline.queue.messages import Message

Grouping = Callable[[Sequence[Fetched], Collection[Order]], Sequence[Group]]


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
    return ThreadPoolExecutor(THREADS, thread_name_prefix="image")


def work_at_once(
    messages: Sequence[Message],
    *,
    read: Callable[[str], tuple[Order, ...]],
    steps: Steps,
    group: Grouping,
    bury: Callable[[Message, str], None],
    time_left_s: Callable[[], float],
    workers: Callable[[], Executor] = threads,
) -> Report:
    """Work on every image that the messages name, and bury the messages that are unreadable, until the time is over.

    `group` makes requests of fetched images; it is told which of them a message names that was received before.
    Whatever goes wrong stays in the future it went wrong in: a bug, too, fails its own message and no other.
    What is not finished in time is reported as OutOfTime. It may still finish later: every step must bear being repeated.
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
    came_before = {order for it in messages if it.receives > 1 for order in wanted.get(it.message_id, ())}
    wave = Wave(steps, lambda images: group(images, came_before), pool, time_left_s)
    orders = list(dict.fromkeys(chain.from_iterable(wanted.values())))
    done: dict[Order, Finished | BaseException] = {}
    for first in range(0, len(orders), IMAGES_AT_ONCE):
        done |= wave.work(orders[first : first + IMAGES_AT_ONCE])
    broken = {message_id: outcome_of(chore, time_left_s()) for message_id, chore in chores.items()}
    pool.shutdown(wait=False, cancel_futures=True)
    return Report(
        orders=done,
        wanted=wanted,
        unreadable=unreadable,
        broken={message_id: outcome for message_id, outcome in broken.items() if outcome is not None},
    )
