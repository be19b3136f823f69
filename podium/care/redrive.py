"""Dead letters go back to the queue: those that are wanted are moved, all others are let go of as they were.

receive -> wanted: sent to the queue, then deleted here | not: held till the end, then visible again
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from pipeline.errors import MessageUnreadable
from pipeline.queue.events import orders_in
from podium.care.pacing import Pace
from podium.connection import Connection
from podium.errors import ConsoleError

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import MessageTypeDef

CRASHED = "crashed"  # SQS moved it by itself; whoever sends a message here says why
NO_REASON = "no reason: the function crashed or ran out of time on it"
SHORT_REASON = 70  # characters of it, in a table
HOLD_AT_LEAST_S = 120
HOLD_AT_MOST_S = 43_200  # SQS's limit on a visibility time-out
FRUITLESS_RECEIVES = (
    3  # one after the other: SQS asks all of its servers in a long poll, and still an answer may be empty
)
LET_GO_AT_ONCE = 16


class Wanted(BaseModel):
    """Which dead letters a person wants; None does not narrow."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: str | None = None  # a code, or a part of the reason in whatever letters
    batch: str | None = None


class DeadLetter(BaseModel):
    """One dead letter, and what is known of why it is one."""

    model_config = ConfigDict(frozen=True)

    message_id: str
    receipt_handle: str
    body: str
    code: str
    reason: str
    batches: frozenset[str]

    def is_wanted(self, wanted: Wanted) -> bool:
        """Whether it is one of those."""
        by_reason = wanted.reason is None or (
            wanted.reason == self.code or wanted.reason.casefold() in self.reason.casefold()
        )
        return by_reason and (wanted.batch is None or wanted.batch in self.batches)


class Kind(BaseModel):
    """Dead letters of the same reason and batch, and how many: `wanted` ones are moved, unless it is a dry run."""

    model_config = ConfigDict(frozen=True)

    code: str
    reason: str  # shortened
    batches: tuple[str, ...]
    wanted: int
    left: int


def redrive(
    connection: Connection,
    wanted: Wanted,
    *,
    pace: Pace,
    dry_run: bool,
    poll_s: int = 2,
    on_moved: Callable[[int], None] = lambda _: None,
) -> list[Kind]:
    """Move the dead letters that are wanted back to the queue, and say what there was; a dry run only looks.

    Each is sent before it is deleted: should this end in between, it is on both queues, and classified twice.
    SQS's own redrive could not do this: it cannot choose, and knows no way back for a message that was sent here.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    held: dict[str, DeadLetter] = {}
    moved: list[DeadLetter] = []
    try:
        for letters in _receive(connection, _hold_s(connection, pace.per_s), poll_s):
            held |= {letter.message_id: letter for letter in letters}
            for letter in letters if not dry_run else ():
                if letter.is_wanted(wanted):
                    pace.wait()
                    _move(connection, letter)
                    moved.append(held.pop(letter.message_id))
                    on_moved(len(moved))
    except (ClientError, BotoCoreError) as error:
        raise ConsoleError(
            f"it stopped after {len(moved)} dead letters were moved: {error}. None is lost: do it again."
        ) from error
    finally:
        _let_go(connection, held.values())
    return _kinds([*moved, *held.values()], wanted)


def read_letter(message: MessageTypeDef) -> DeadLetter:
    """The message with its reasons; one that SQS moved has none."""
    told = {name: it.get("StringValue", "") for name, it in message.get("MessageAttributes", {}).items()}
    try:
        batches = frozenset(order.batch for order in orders_in(message["Body"]) if order.batch)
    except MessageUnreadable:
        batches = frozenset()
    return DeadLetter(
        message_id=message["MessageId"],
        receipt_handle=message["ReceiptHandle"],
        body=message["Body"],
        code=told.get("code", CRASHED),
        reason=told.get("reason", NO_REASON),
        batches=batches,
    )


def _hold_s(connection: Connection, rate_per_s: float) -> int:
    """How long a message that was received stays invisible: longer than all of this takes, lest it be received again."""
    waiting = connection.sqs.get_queue_attributes(
        QueueUrl=connection.facts.dlq_url, AttributeNames=["ApproximateNumberOfMessages"]
    )["Attributes"]["ApproximateNumberOfMessages"]
    return min(HOLD_AT_LEAST_S + round(int(waiting) / rate_per_s), HOLD_AT_MOST_S)


def _receive(connection: Connection, hold_s: int, poll_s: int) -> Iterator[list[DeadLetter]]:
    """The dead letters, ten at a time, until nothing new comes; one may come again when its time is over."""
    seen: set[str] = set()
    fruitless = 0
    while fruitless < FRUITLESS_RECEIVES:
        messages = connection.sqs.receive_message(
            QueueUrl=connection.facts.dlq_url,
            MaxNumberOfMessages=10,
            WaitTimeSeconds=poll_s,
            VisibilityTimeout=hold_s,
            MessageAttributeNames=["All"],
        ).get("Messages", [])
        ids = {message["MessageId"] for message in messages}
        fruitless = 0 if ids - seen else fruitless + 1
        seen |= ids
        yield [read_letter(message) for message in messages]


def _move(connection: Connection, letter: DeadLetter) -> None:
    connection.sqs.send_message(QueueUrl=connection.facts.queue_url, MessageBody=letter.body)
    connection.sqs.delete_message(QueueUrl=connection.facts.dlq_url, ReceiptHandle=letter.receipt_handle)


def _let_go(connection: Connection, letters: Iterable[DeadLetter]) -> None:
    """Make them visible now; one that cannot be becomes so by itself when its time is over."""
    from botocore.exceptions import BotoCoreError, ClientError

    def let_go(letter: DeadLetter) -> None:
        with contextlib.suppress(ClientError, BotoCoreError):
            connection.sqs.change_message_visibility(
                QueueUrl=connection.facts.dlq_url, ReceiptHandle=letter.receipt_handle, VisibilityTimeout=0
            )

    with ThreadPoolExecutor(LET_GO_AT_ONCE) as pool:
        list(pool.map(let_go, letters))


def _kinds(letters: Iterable[DeadLetter], wanted: Wanted) -> list[Kind]:
    """What there was, the most frequent first."""
    alike: defaultdict[tuple[str, str, tuple[str, ...]], list[bool]] = defaultdict(list)
    for letter in letters:
        name = (letter.code, _shortened(letter.reason), tuple(sorted(letter.batches)))
        alike[name].append(letter.is_wanted(wanted))
    return [
        Kind(code=code, reason=reason, batches=batches, wanted=sum(are), left=len(are) - sum(are))
        for (code, reason, batches), are in sorted(alike.items(), key=lambda it: (-len(it[1]), it[0]))
    ]


def _shortened(reason: str) -> str:
    return reason if len(reason) <= SHORT_REASON else reason[: SHORT_REASON - 3].rstrip() + "..."
