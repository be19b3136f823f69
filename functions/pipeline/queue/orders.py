"""Messages of our own for the queue: S3's notification of one image, with a block `podium` beside it.

The same shape, so that one reader reads both: backfilled, reclassified and reconciled images take the way of an upload.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from urllib.parse import quote_plus

from pipeline.contracts import SEQUENCER_WIDTH, Order
from pipeline.queue.together import send_together, tens

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

SENT_AT_ONCE = 16


def body_of(order: Order) -> str:
    """The message that carries this order."""
    image = order.image
    sent = {
        "key": quote_plus(image.key, safe="/"),
        "size": image.size_bytes,
        "eTag": image.etag,
        "versionId": image.version_id,
        "sequencer": image.sequencer,
    }
    record = {
        "eventVersion": "2.1",
        "eventSource": "podium",
        "eventName": "ObjectCreated:Put",
        "s3": {
            "bucket": {"name": image.bucket},
            "object": {name: fact for name, fact in sent.items() if fact is not None},
        },
        "podium": order.model_dump(mode="json", include={"sender", "batch", "model"}, exclude_none=True),
    }
    return json.dumps({"Records": [record]})


def send(orders: Iterable[Order], sqs: SQSClient, queue_url: str) -> int:
    """Put every order on the queue, ten in a request and many requests at once; returns how many, raises the first failure."""
    with ThreadPoolExecutor(SENT_AT_ONCE, thread_name_prefix="send") as pool:
        done = pool.map(lambda bodies: (bodies, send_together(sqs, queue_url, bodies)), tens(map(body_of, orders)))
        sent = 0
        for bodies, failed in done:
            for _, error in failed:
                raise error
            sent += len(bodies)
        return sent


def just_after(ordinal: str) -> str:
    """The sequencer that follows `ordinal`, a padded one, before any that S3 would give to a later upload.

    For an upload whose own event is lost: it must win over the row of an earlier upload, and lose to every later one.
    """
    return f"{int(ordinal.ljust(SEQUENCER_WIDTH, '0'), 16) + 1:0{SEQUENCER_WIDTH}X}"
