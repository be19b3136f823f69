"""Backfill beside the function: its own steps over the whole input bucket, one image after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from pipeline.backfill.objects import Found, as_it_is, listed_anew
from pipeline.contracts import ImageRef, Order
from pipeline.queue.messages import messages_on
from pipeline.queue.orders import body_of
from pipeline.results.known_rows import KnownRow, known_rows
from pipeline.settings import Settings

JOB = "backfill-1"
LOOK_AGAIN_S = 900.0

OrderFor = Callable[[ImageRef, KnownRow | None, str], Order | None]


def backfill(
    clients: tuple[Any, Any, Any],
    settings: Settings,
    order_for: OrderFor,
    pause_above: int,
    sleep: Callable[[float], None],
) -> None:
    """`pipeline.backfill.handler` without its threads, which would not be deterministic, and without its manifests.

    Each image is a part of its own, and waits while more than `pause_above` messages do.
    """
    bucket = settings.input_bucket
    s3, dynamodb, sqs = clients
    try:
        listed = s3.list_objects(bucket)
        found = {
            f"s3://{bucket}/{key}": Found(Key=key, Size=len(version.data or b""), Etag=version.etag)
            for key, version in listed.items()
            if not key.endswith("/")
        }
        rows = known_rows(dynamodb, settings.table_name, settings.model.ref, list(found))
        for uri, it in found.items():
            image = listed_anew(bucket, it, rows.get(uri)) or as_it_is(s3, bucket, it.key)
            order = order_for(image, rows.get(uri), JOB) if isinstance(image, ImageRef) else None
            while order and messages_on(sqs, settings.queue_url) > pause_above:
                sleep(LOOK_AGAIN_S)
            if order:
                sqs.send_message(QueueUrl=settings.queue_url, MessageBody=body_of(order))
    except (ClientError, BotoCoreError):
        return  # the machine would try again
