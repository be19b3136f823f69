"""Requests to SQS for ten messages at once, a tenth of the price; alone what one of them leaves undone.

together: up to ten entries and 1 MiB -> those that failed: alone -> what failed even so, and why
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal
from weakref import WeakKeyDictionary

from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

Operation = Literal["SendMessageBatch", "DeleteMessageBatch", "ChangeMessageVisibilityBatch"]
ENTRIES = 10  # of one request
BYTES = 1_048_576  # of all its messages together; of one, too
DENIED = frozenset({"AccessDenied", "AccessDeniedException"})

# On AWS, who may send a message may send ten. A store that checks an action of the request's own name, which no policy on AWS
# can grant, is recognised by doing: it denied ten together, and took one of them alone. By client: one lives as long as its process.
_denies: WeakKeyDictionary[Any, set[Operation]] = WeakKeyDictionary()


def failures[Entry](
    sqs: SQSClient,
    operation: Operation,
    entries: Sequence[Entry],
    together: Callable[[Sequence[Entry]], Mapping[str, Any]],
    alone: Callable[[Entry], object],
) -> list[tuple[Entry, ClientError | BotoCoreError]]:
    """Do it for at most ten entries; those for which it was not done, each with its own error.

    `together` makes the request with the entries' positions as ids, and returns SQS's response; `alone` is for one entry.
    """
    denied, left = False, entries
    if len(entries) > 1 and operation not in _denies.get(sqs, ()):
        try:
            left = [entries[int(it["Id"])] for it in together(entries).get("Failed", [])]
        except ClientError as error:
            denied = error.response["Error"].get("Code") in DENIED
            if not denied:
                return [(entry, error) for entry in entries]
        except BotoCoreError as error:
            return [(entry, error) for entry in entries]
    failed: list[tuple[Entry, ClientError | BotoCoreError]] = []
    for entry in left:
        try:
            alone(entry)
        except (ClientError, BotoCoreError) as error:
            failed.append((entry, error))
    if denied and len(failed) < len(left):
        _denies.setdefault(sqs, set()).add(operation)
    return failed


def send_together(
    sqs: SQSClient, queue_url: str, bodies: Sequence[str]
) -> list[tuple[str, ClientError | BotoCoreError]]:
    """Send at most ten messages; those that were not sent."""
    return failures(
        sqs,
        "SendMessageBatch",
        bodies,
        lambda some: sqs.send_message_batch(
            QueueUrl=queue_url, Entries=[{"Id": str(n), "MessageBody": it} for n, it in enumerate(some)]
        ),
        lambda body: sqs.send_message(QueueUrl=queue_url, MessageBody=body),
    )


def delete_together(
    sqs: SQSClient, queue_url: str, receipts: Sequence[str]
) -> list[tuple[str, ClientError | BotoCoreError]]:
    """Delete at most ten messages; those that were not deleted."""
    return failures(
        sqs,
        "DeleteMessageBatch",
        receipts,
        lambda some: sqs.delete_message_batch(
            QueueUrl=queue_url, Entries=[{"Id": str(n), "ReceiptHandle": it} for n, it in enumerate(some)]
        ),
        lambda receipt: sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=receipt),
    )


def hide_together(
    sqs: SQSClient, queue_url: str, seconds: Sequence[tuple[str, int]]
) -> list[tuple[tuple[str, int], ClientError | BotoCoreError]]:
    """Hide at most ten messages, each by its receipt for so many seconds; those that were not hidden."""
    return failures(
        sqs,
        "ChangeMessageVisibilityBatch",
        seconds,
        lambda some: sqs.change_message_visibility_batch(
            QueueUrl=queue_url,
            Entries=[
                {"Id": str(n), "ReceiptHandle": it, "VisibilityTimeout": wait_s} for n, (it, wait_s) in enumerate(some)
            ],
        ),
        lambda it: sqs.change_message_visibility(QueueUrl=queue_url, ReceiptHandle=it[0], VisibilityTimeout=it[1]),
    )


def tens(bodies: Iterable[str]) -> Iterator[list[str]]:
    """As many messages as fit in one request, in their order."""
    some: list[str] = []
    size = 0
    for body in bodies:
        length = len(body.encode())
        if some and (len(some) == ENTRIES or size + length > BYTES):
            yield some
            some, size = [], 0
        some.append(body)
        size += length
    if some:
        yield some
