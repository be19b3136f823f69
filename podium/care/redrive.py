"""Dead letters go back to the queue: those that match are moved, the others stay as they were.

receive -> match: sent to the queue, then deleted here | no match: hidden until the end, then visible again
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import batched
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from pipeline.errors import MessageUnreadable
from pipeline.queue.events import orders_in
from pipeline.queue.together import ENTRIES, delete_together, hide_together, send_together, tens
from podium.aws_errors import sentence_of
from podium.care.rate_limiter import RateLimiter
from podium.connection import Connection
from podium.errors import ConsoleError

if TYPE_CHECKING:
    from botocore.exceptions import BotoCoreError, ClientError
    from mypy_boto3_sqs.type_defs import MessageTypeDef

CRASHED = "crashed"  # SQS moved it by itself; a function that sends a message here gives its reason
NO_REASON = "no reason: the function crashed or ran out of time on it"
SHORT_REASON = 70  # characters of a reason, in a table
HOLD_AT_LEAST_S = 120
HOLD_AT_MOST_S = 43_200  # SQS's limit on a visibility time-out
FRUITLESS_RECEIVES = 3  # one after the other: even a long poll, which reads all of SQS's servers, may come back empty
LET_GO_AT_ONCE = 16


class LetterFilter(BaseModel):
    """Which dead letters to move; None does not narrow."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: str | None = None  # a code, or a part of the reason in upper or lower case
    batch: str | None = None


class DeadLetter(BaseModel):
    """One dead letter, and why it is one."""

    model_config = ConfigDict(frozen=True)

    message_id: str
    receipt_handle: str
    body: str
    code: str
    reason: str
    batches: frozenset[str]

    def matches(self, letter_filter: LetterFilter) -> bool:
        """Whether the filter lets it through."""
        by_reason = letter_filter.reason is None or (
            letter_filter.reason == self.code or letter_filter.reason.casefold() in self.reason.casefold()
        )
        return by_reason and (letter_filter.batch is None or letter_filter.batch in self.batches)


class ReasonCount(BaseModel):
    """How many dead letters have the same reason and batch: `wanted` ones match and are moved, unless it is a dry run."""

    model_config = ConfigDict(frozen=True)

    code: str
    reason: str  # shortened
    batches: tuple[str, ...]
    wanted: int
    left: int


def redrive(
    connection: Connection,
    letter_filter: LetterFilter,
    *,
    limiter: RateLimiter,
    dry_run: bool,
    poll_s: int = 2,
    on_moved: Callable[[int], None] = lambda _: None,
) -> list[ReasonCount]:
    """Move the dead letters that match back to the queue, and count all of them by reason; a dry run moves none.

    Each is sent before it is deleted: if this ends in between, it is on both queues, and classified twice.
    SQS's own redrive could not do this: it moves all or none, and only messages that SQS itself moved here.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    held: dict[str, DeadLetter] = {}
    moved: list[DeadLetter] = []
    try:
        for letters in _receive(connection, _hold_s(connection, limiter.per_s), poll_s):
            held |= {letter.message_id: letter for letter in letters}
            wanted = [it for it in letters if not dry_run and it.matches(letter_filter)]
            for some in batched(wanted, _at_once(limiter.per_s), strict=False):
                gone, error = _move(connection, list(limiter.each(some)))
                moved += [held.pop(letter.message_id) for letter in gone]
                on_moved(len(moved))
                if error is not None:
                    raise error
    except (ClientError, BotoCoreError) as error:
        raise ConsoleError(
            f"it stopped after {len(moved)} dead letters were moved: {sentence_of(error)} None is lost: do it again."
        ) from error
    finally:
        _let_go(connection, held.values())
    return _counted([*moved, *held.values()], letter_filter)


def read_letter(message: MessageTypeDef) -> DeadLetter:
    """The message with its code and reason; one that SQS moved has neither."""
    attributes = {name: it.get("StringValue", "") for name, it in message.get("MessageAttributes", {}).items()}
    try:
        batches = frozenset(order.batch for order in orders_in(message["Body"]) if order.batch)
    except MessageUnreadable:
        batches = frozenset()
    return DeadLetter(
        message_id=message["MessageId"],
        receipt_handle=message["ReceiptHandle"],
        body=message["Body"],
        code=attributes.get("code", CRASHED),
        reason=attributes.get("reason", NO_REASON),
        batches=batches,
    )


def _hold_s(connection: Connection, rate_per_s: float) -> int:
    """How long a received message stays invisible: longer than the whole redrive takes, or it would be received again."""
    waiting = connection.message_counts(connection.facts.dlq_url).visible
    return min(HOLD_AT_LEAST_S + round(waiting / rate_per_s), HOLD_AT_MOST_S)


def _receive(connection: Connection, hold_s: int, poll_s: int) -> Iterator[list[DeadLetter]]:
    """The dead letters, ten at a time, until no new one comes; one may come again when its time-out ends."""
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


def _at_once(rate_per_s: float) -> int:
    """How many go in one request: never more than a second's, or the first would wait for the last."""
    return max(1, min(ENTRIES, int(rate_per_s)))


def _move(
    connection: Connection, letters: Sequence[DeadLetter]
) -> tuple[list[DeadLetter], ClientError | BotoCoreError | None]:
    """The letters that are on the queue and not here any more, and why the first of the others is not.

    A body is what SQS had before, so ten of them can be more than one request carries.
    """
    facts, sqs = connection.facts, connection.sqs
    unsent = {
        body: error
        for some in tens(it.body for it in letters)
        for body, error in send_together(sqs, facts.queue_url, some)
    }
    sent = [it for it in letters if it.body not in unsent]
    kept = dict(delete_together(sqs, facts.dlq_url, [it.receipt_handle for it in sent]))
    gone = [it for it in sent if it.receipt_handle not in kept]
    return gone, next(iter([*unsent.values(), *kept.values()]), None)


def _let_go(connection: Connection, letters: Iterable[DeadLetter]) -> None:
    """Make them visible now; if that fails for one, it becomes visible when its time-out ends."""
    hidden = [[(it.receipt_handle, 0) for it in some] for some in batched(letters, ENTRIES, strict=False)]
    with ThreadPoolExecutor(LET_GO_AT_ONCE) as pool:
        list(pool.map(lambda some: hide_together(connection.sqs, connection.facts.dlq_url, some), hidden))


def _counted(letters: Iterable[DeadLetter], letter_filter: LetterFilter) -> list[ReasonCount]:
    """The letters by reason and batch, the most frequent first."""
    alike: defaultdict[tuple[str, str, tuple[str, ...]], list[bool]] = defaultdict(list)
    for letter in letters:
        key = (letter.code, _shortened(letter.reason), tuple(sorted(letter.batches)))
        alike[key].append(letter.matches(letter_filter))
    return [
        ReasonCount(code=code, reason=reason, batches=batches, wanted=sum(match), left=len(match) - sum(match))
        for (code, reason, batches), match in sorted(alike.items(), key=lambda it: (-len(it[1]), it[0]))
    ]


def _shortened(reason: str) -> str:
    return reason if len(reason) <= SHORT_REASON else reason[: SHORT_REASON - 3].rstrip() + "..."
