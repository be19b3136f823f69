"""The Lambda that puts an existing bucket's images on the queue, part by part; Step Functions lists the bucket.

deep queue: paused, the machine comes again
items -> (skipped: folder markers, what is missing, what has a row) -> manifest part -> orders -> tally; at last: close
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import Field

from pipeline.aws import CLIENTS
from pipeline.backfill.objects import Found, as_they_are, is_about
from pipeline.backfill.tallies import PartTally, total, write_tally
from pipeline.batches.ledger import Ledger
from pipeline.batches.manifests import folder_of, part_keys, revision_of, write_part
from pipeline.contracts import Backfill, ExpectedImage, ImageRef, ManifestPart, ModelFacts, Order, Record, Tally
from pipeline.queue.messages import messages_on
from pipeline.queue.orders import just_after, send
from pipeline.results.known_rows import KnownRow, known_rows
from pipeline.settings import BackfillSettings, load_settings
from pipeline.telemetry import logger

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient


FIRST_WAIT_S = 60  # doubled from pause to pause: a queue that empties fast is filled again soon,
LONGEST_WAIT_S = 900  # and a drought of ten days makes not half of the 25,000 events that AWS keeps of an execution


class Item(Record):
    """One object, and the job that found it."""

    job: str
    bucket: str
    object: Found


class _S3Object(Record):
    bucket: str
    key: str


class _MachineError(Record):
    error: str = Field(default="", alias="Error")
    cause: str = Field(default="", alias="Cause")


class Close(Record):
    """The machine's input, when all parts are done or more of them failed than it tolerates."""

    job: str
    bucket: str
    prefix: str | None = None
    manifest: _S3Object | None = None
    error: _MachineError | None = None


class Paused(Record):
    """Nothing was put on the queue: more messages wait than it is to hold. The machine brings the same part again."""

    waiting: int
    pause_above: int
    wait_s: int  # until then


@dataclass(frozen=True)
class Clients:
    """Clients that threads may share."""

    s3: S3Client
    dynamodb: DynamoDBClient
    sqs: SQSClient


@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Put a part of the bucket on the queue, or close the job. What fails is tried again by the machine, and may be."""
    return respond(event, open_clients(), load_settings(BackfillSettings), datetime.now(UTC))


@cache
def open_clients() -> Clients:
    """The clients of this process."""
    s3, dynamodb = boto3.client("s3", config=CLIENTS), boto3.client("dynamodb", config=CLIENTS)
    return Clients(s3, dynamodb, boto3.client("sqs", config=CLIENTS))


def respond(event: dict[str, Any], clients: Clients, settings: BackfillSettings, now: datetime) -> dict[str, Any]:
    """Work on the event: a part of many items, a single item (a machine that does not batch), or the end."""
    match event:
        case {"close": job}:
            return close(Close.model_validate(job), clients, settings, now).model_dump(mode="json")
        case {"Items": [*items]}:
            part = tuple(map(Item.model_validate, items))
        case _:
            part = (Item.model_validate(event),)
    if paused := pause(clients, settings, waited_s=_waited_s(event)):
        logger.info("backfill paused", batch=part[0].job, extra=paused.model_dump())
        return {"paused": paused.model_dump()}
    return enqueue(part, clients, settings, now).model_dump()


def pause(clients: Clients, settings: BackfillSettings, *, waited_s: int) -> Paused | None:
    """Whether the part must wait: SQS deletes what it has had for ten days, however much comes before it."""
    waiting = messages_on(clients.sqs, settings.queue_url)
    if waiting <= settings.pause_above:
        return None
    wait_s = min(max(FIRST_WAIT_S, 2 * waited_s), LONGEST_WAIT_S)
    return Paused(waiting=waiting, pause_above=settings.pause_above, wait_s=wait_s)


def _waited_s(event: dict[str, Any]) -> int:
    """How long the part has waited the last time; the machine hands the last response back."""
    match event:
        case {"outcome": {"paused": {"wait_s": int(seconds)}}}:
            return seconds
        case _:
            return 0


def enqueue(items: tuple[Item, ...], clients: Clients, settings: BackfillSettings, now: datetime) -> Tally:
    """Put the images of one part on the queue, and count them; doing it again adds nothing but doubled messages.

    The manifest is written before the orders are sent: a function that dies in between leaves the batch open.
    """
    job, bucket = items[0].job, items[0].bucket
    objects = {item.object.key: item.object for item in items}  # a key that is named twice is one image
    found = {f"s3://{bucket}/{key}": it for key, it in objects.items() if not key.endswith("/")}
    model = ModelFacts(name=settings.model_name, version=settings.model_version)
    rows = known_rows(clients.dynamodb, settings.table_name, model.ref, list(found))
    images = as_they_are(clients.s3, bucket, found, rows)
    orders = [it for image in images.values() if (it := order_for(image, rows.get(image.uri), job))]
    # A row of this very job is from a first try of this part: it is expected still, and not sent again.
    expected = {order.image.uri for order in orders} | {uri for uri in images if uri in rows and rows[uri].batch == job}
    part = tuple(ExpectedImage(image=uri, etag=image.etag) for uri, image in images.items() if uri in expected)
    tally = Tally(
        listed=len(objects),
        enqueued=len(part),
        already=len(images) - len(part),
        markers=len(objects) - len(found),
        missing=len(found) - len(images),
    )
    if part:
        write_part(clients.s3, settings.results_bucket, ManifestPart(batch=job, images=part, created_at=now))
    name = hashlib.sha256("\n".join(objects).encode()).hexdigest()[:16]
    met = PartTally(name, tally, missing=[uri for uri in found if uri not in images])
    write_tally(clients.s3, settings.results_bucket, job, met)
    send(orders, clients.sqs, settings.queue_url)
    logger.info("part enqueued", batch=job, extra=tally.model_dump())
    return tally


def order_for(image: ImageRef, row: KnownRow | None, job: str) -> Order | None:
    """The order for an image without a row about these bytes; it loses to every upload that is newer than `image`."""
    if row is None:
        return Order(image=image, sender="backfill", batch=job)
    if is_about(row, image):
        return None
    newer = image.model_copy(update={"sequencer": just_after(row.sequencer)})
    return Order(image=newer, sender="backfill", batch=job)


def close(job: Close, clients: Clients, settings: BackfillSettings, now: datetime) -> Backfill:
    """Write the report of the whole job, and open its batch, unless there was nothing to do."""
    tally = total(clients.s3, settings.results_bucket, job.job)
    parts = part_keys(clients.s3, settings.results_bucket, job.job)
    report = Backfill(
        job=job.job,
        bucket=job.bucket,
        prefix=job.prefix,
        manifest=f"s3://{job.manifest.bucket}/{job.manifest.key}" if job.manifest else None,
        **tally.model_dump(),
        parts=len(parts),
        error=f"{job.error.error}: {job.error.cause}" if job.error else None,
        closed_at=now,
    )
    key = f"{folder_of(job.job)}backfill.json"
    document = report.model_dump_json(indent=2, exclude_none=True) + "\n"
    clients.s3.put_object(
        Bucket=settings.results_bucket, Key=key, Body=document.encode(), ContentType="application/json"
    )
    if parts:
        ledger = Ledger(clients.dynamodb, settings.ledger_name)
        ledger.open(job.job, expected=tally.enqueued, revision=revision_of(parts), now=now)
    logger.info("backfill closed", batch=job.job, error=report.error, extra=tally.model_dump())
    return report
