"""Which uploads have had no result for too long, and the orders for them; free of clock, network and AWS.

a page of S3's list -> its latest uploads -> those without a row of their own -> orders
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from pipeline.contracts import Order
from pipeline.queue.orders import just_after
from pipeline.results.known_rows import KnownRow
from pipeline.uploads import ListedUpload, Page

MOST_TRIES = 3  # of one version of one image
MOST_TRIES_BEHIND_A_BACKLOG = 1  # the other two are kept for when the queue is empty: a backlog may last for days
LOST_BEHIND_A_BACKLOG = timedelta(hours=6)
CLOCKS_DIFFER = timedelta(seconds=60)  # at most, between two functions; AWS keeps them to milliseconds


def uploads_between(page: Page, *, after: datetime, before: datetime) -> list[ListedUpload]:
    """The uploads of a page that were made between the two moments."""
    return [it for it in page.uploads if after < it.uploaded_at < before]


def order_for(upload: ListedUpload, rows: Sequence[KnownRow], *, listed_at: datetime) -> Order | None:
    """The order for an upload without a result: it wins over the rows that the image has, and loses to any later upload.

    None when a row may belong to an upload that is newer than the list of `listed_at`, which must not be overtaken:
    the next list decides. An image without a row counts as the oldest.
    """
    if any(row.classified_at >= listed_at - CLOCKS_DIFFER for row in rows):
        return None
    sequencer = just_after(max(row.sequencer for row in rows)) if rows else ""
    image = upload.image.model_copy(update={"sequencer": sequencer})
    return Order(image=image, sender="reconcile", batch=image.batch)


def tries_allowed(overdue_for: timedelta, messages_waiting: int) -> int:
    """How often an upload may be put on the queue again in all: behind a backlog its own message is probably just waiting."""
    if messages_waiting == 0:
        return MOST_TRIES
    return MOST_TRIES_BEHIND_A_BACKLOG if overdue_for > LOST_BEHIND_A_BACKLOG else 0
