"""From the messages of an SQS batch to the images that they ask for. A message that cannot be read is buried."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from itertools import chain
from typing import Any

from pipeline.contracts import INCOMING_PREFIX, Order
from pipeline.errors import MessageUnreadable
from pipeline.queue.events import orders_in
from pipeline.queue.messages import Message, Queue
from pipeline.telemetry import logger


@dataclass(frozen=True)
class Inbox:
    """What the messages ask for; each message by its id."""

    orders_of: Mapping[str, tuple[Order, ...]]
    came_before: Collection[Order]  # a message that was received before names them
    unreadable: Mapping[str, str]  # why
    unsettled: Mapping[str, Future[Any]]  # messages that are being buried, or whose reading failed by a bug

    @property
    def orders(self) -> list[Order]:
        """Every image once, however many messages name it."""
        return list(dict.fromkeys(chain.from_iterable(self.orders_of.values())))


def read(messages: Sequence[Message], queue: Queue, pool: Executor) -> Inbox:
    """Read every message; to bury the unreadable ones takes a while, and is not waited for."""
    orders_of: dict[str, tuple[Order, ...]] = {}
    unreadable: dict[str, str] = {}
    unsettled: dict[str, Future[Any]] = {}
    for message, reading in [(message, pool.submit(our_orders_in, message.body)) for message in messages]:
        match reading.exception():
            case None:
                orders_of[message.message_id] = reading.result()
            case MessageUnreadable() as error:
                unreadable[message.message_id] = str(error)
                unsettled[message.message_id] = pool.submit(queue.bury, message, "unreadable", str(error))
            case _:
                unsettled[message.message_id] = reading
    came_before = {order for it in messages if it.receives > 1 for order in orders_of.get(it.message_id, ())}
    return Inbox(orders_of, came_before, unreadable, unsettled)


def our_orders_in(body: str) -> tuple[Order, ...]:
    """The uploads under the prefix that is ours, and all that our own messages ask for.

    Other uploads mean that the bucket's notification lost its filter.
    """
    orders = orders_in(body)
    ours = tuple(it for it in orders if it.sender != "upload" or it.image.key.startswith(INCOMING_PREFIX))
    for order in set(orders) - set(ours):
        logger.warning("image not ours", image=order.image.uri, reason=f"its key does not begin with {INCOMING_PREFIX}")
    return ours
