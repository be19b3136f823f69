"""Images that have a row go on the queue again, for another version of the model; its row comes beside the old one.

rows -> one per image -> without those that no model could see, and those that this version has classified -> orders -> queue
"""

from __future__ import annotations

import re
import urllib.error
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import batched
from urllib.parse import quote

from pipeline.contracts import NOT_HANDED_OVER, ImageRef, ModelFacts, Order, Row
from pipeline.queue.orders import send
from pipeline.results.known_rows import KnownRow, TableBusy, known_rows
from pipeline.results.same_upload import same_upload
from podium.aws_errors import sentence_of
from podium.batches.results import RowFilter, final_rows, find
from podium.care.rate_limiter import RateLimiter
from podium.connection import Connection
from podium.errors import EXIT_USAGE, ConsoleError
from podium.loopback import request_here

# Rejected before any model saw the image; another model would not see it either.
NEVER_SEEN = NOT_HANDED_OVER | {"folder_marker", "empty", "too_large", "unsupported_format"}
SENT_TOGETHER = 100
_MODEL = re.compile(r"(?P<name>[A-Za-z0-9._-]+)@(?P<version>[A-Za-z0-9.-]+)")


@dataclass(frozen=True)
class Plan:
    """The orders for the queue, and how many images have none."""

    orders: tuple[Order, ...]
    already: int  # images with a row of the same upload under that model
    never_seen: int  # images that were rejected before a model saw them

    @property
    def found(self) -> int:
        """Images that have rows, whether or not they get an order."""
        return len(self.orders) + self.already + self.never_seen

    @property
    def batches(self) -> list[str]:
        """The batches that the images belong to."""
        return sorted({order.batch for order in self.orders if order.batch})


def model_of(text: str, option: str = "--model") -> ModelFacts:
    """The model that `NAME@VERSION` means."""
    named = _MODEL.fullmatch(text)
    if named is None:
        raise ConsoleError(f"{option} {text!r} must read NAME@VERSION, such as balls@1.1.", EXIT_USAGE)
    return ModelFacts(name=named["name"], version=named["version"])


def plan(connection: Connection, row_filter: RowFilter, model: ModelFacts, *, again: bool, limit: int | None) -> Plan:
    """The orders for the images of the rows that match; each image once, its latest upload.

    `again` includes images that have their row under the model. ConsoleError when the local server has no such model.
    """
    from botocore.exceptions import ClientError

    if connection.management_url is not None:
        check_served(connection.management_url, model)
    rows = final_rows(find(connection, row_filter).rows)
    seen = [row for row in rows if row.rejected_code not in NEVER_SEEN]
    try:
        known = known_rows(connection.dynamodb_client, connection.facts.table, model.ref, [row.image for row in seen])
    except (ClientError, TableBusy) as error:
        raise ConsoleError(f"the rows of {model.ref} could not be read: {error}") from error
    fresh = [row for row in seen if again or not _has_seen(known.get(row.image), row)]
    return Plan(
        orders=tuple(order_for(row, model) for row in fresh[:limit]),
        already=len(seen) - len(fresh),
        never_seen=len(rows) - len(seen),
    )


def order_for(row: Row, model: ModelFacts) -> Order:
    """The order for the upload that the row is of."""
    bucket, _, key = row.image.removeprefix("s3://").partition("/")
    image = ImageRef(
        bucket=bucket,
        key=key,
        version_id=row.version_id,
        etag=row.etag,
        size_bytes=row.size_bytes,
        sequencer=row.sequencer,
    )
    return Order(image=image, sender="reclassify", batch=row.batch, model=model)


def send_all(
    connection: Connection,
    orders: Sequence[Order],
    limiter: RateLimiter,
    on_sent: Callable[[int], None] = lambda _: None,
) -> None:
    """Put the orders on the queue, as fast as the limiter allows; ConsoleError says how many were sent when it stops."""
    from botocore.exceptions import BotoCoreError, ClientError

    sent = 0
    try:
        for some in batched(orders, SENT_TOGETHER, strict=False):
            sent += send(limiter.each(some), connection.sqs, connection.facts.queue_url)
            on_sent(sent)
    except (ClientError, BotoCoreError) as error:
        raise ConsoleError(
            f"it stopped after {sent} of {len(orders)} images were put on the queue: {sentence_of(error)} "
            "Do it again: images that have their row by then are skipped."
        ) from error


def check_served(management_url: str, model: ModelFacts) -> None:
    """ConsoleError when the model server answers that it has no such version; a server that is down is no error."""
    url = f"{management_url}/models/{quote(model.name)}/{quote(model.version)}"
    try:
        with request_here(url, timeout_s=5):
            return
    except urllib.error.HTTPError as error:
        with error:
            if error.code != 404:
                return
        raise ConsoleError(
            f"the model server has no {model.ref} ({url} answers 404): its images would wait in vain. "
            "Register its archive there first, or name a version that it has."
        ) from error
    except OSError:
        return


def _has_seen(known: KnownRow | None, row: Row) -> bool:
    """Whether the model's row is of the same upload, or of a newer one, which the order would lose to anyway."""
    return known is not None and (same_upload(row, known) or known.sequencer > row.sequencer)
