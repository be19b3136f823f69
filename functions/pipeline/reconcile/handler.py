"""The Lambda that asks again for uploads without a result: whatever event S3 or SQS lost, every image gets its row.

list of the bucket -> without a row long after their time -> remembered in the ledger -> on the queue
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypedDict

import boto3
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from pipeline.aws import CLIENTS
from pipeline.classify.reporting import metrics
from pipeline.contracts import INCOMING_PREFIX, ModelFacts, Order
from pipeline.queue.messages import messages_on
from pipeline.queue.orders import SENT_AT_ONCE, send
from pipeline.reconcile.overdue import RowFacts, Upload, has_result, latest_uploads, order_for, tries_allowed
from pipeline.reconcile.reminders import Reminders
from pipeline.results.known_rows import ROWS_AT_ONCE
from pipeline.settings import ReconcileSettings, load_settings
from pipeline.telemetry import logger

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef, KeysAndAttributesTypeDef
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ListObjectVersionsOutputTypeDef
    from mypy_boto3_sqs import SQSClient

SPARE_MS = 60_000  # of an invocation's time: a page of a thousand uploads, all of them overdue, takes seconds
FACTS = "image, version_id, etag, sequencer, classified_at"

Fate = Literal["enqueued", "waits", "asked_before", "undecided", "has_result"]
OVERDUE: dict[Fate, str] = {
    "enqueued": "it is on the queue again",
    "waits": "messages wait on the queue, and its own is probably one of them",
    "asked_before": "it was asked for again before, as often as is allowed while messages wait (once) or at all (3 times): "
    "is its message a dead letter? `podium redrive --dry-run` lists them with their reasons",
}


class Verdict(NamedTuple):
    """What is done about an upload that seems to have no result."""

    upload: Upload
    fate: Fate
    order: Order | None = None


class Answer(TypedDict):
    """For whoever invokes the function by hand."""

    overdue: int
    requeued: int
    finished: bool  # if not, the next run goes on where this one stopped


@logger.inject_lambda_context
@metrics.log_metrics
def lambda_handler(_event: dict[str, Any], context: LambdaContext) -> Answer:
    """Put every upload on the queue again that has had no result for too long."""
    return reconcile(load_settings(ReconcileSettings), datetime.now(UTC), context.get_remaining_time_in_millis)


def reconcile(settings: ReconcileSettings, now: datetime, remaining_ms: Callable[[], int]) -> Answer:
    """Look through the bucket from where the last run stopped, until its end or until the time is over."""
    clients = open_clients()
    reminders = Reminders(clients.dynamodb, settings.ledger_name)
    run = Run(settings, clients, reminders, now, messages_on(clients.sqs, settings.queue_url))
    began_after = stopped_at = reminders.cursor()
    fates: Counter[Fate] = Counter()
    for page in run.pages(began_after):
        fates.update(run.work_on(page))
        stopped_at = page.get("NextKeyMarker")
        if remaining_ms() < SPARE_MS:
            break
    if stopped_at != began_after:
        reminders.remember_cursor(stopped_at, now)
    overdue = sum(fates[fate] for fate in OVERDUE)
    metrics.add_metric(name="UploadsOverdue", unit=MetricUnit.Count, value=overdue)
    metrics.add_metric(name="UploadsRequeued", unit=MetricUnit.Count, value=fates["enqueued"])
    return {"overdue": overdue, "requeued": fates["enqueued"], "finished": stopped_at is None}


@dataclass(frozen=True)
class Clients:
    """Clients that threads may share."""

    s3: S3Client
    dynamodb: DynamoDBClient
    sqs: SQSClient


@cache
def open_clients() -> Clients:
    """The clients of this process."""
    s3, dynamodb = boto3.client("s3", config=CLIENTS), boto3.client("dynamodb", config=CLIENTS)
    return Clients(s3, dynamodb, boto3.client("sqs", config=CLIENTS))


@dataclass(frozen=True)
class Run:
    """One run: what its steps share. The queue is taken as it was when the run began, before it adds to it."""

    settings: ReconcileSettings
    clients: Clients
    reminders: Reminders
    began_at: datetime
    messages_waiting: int

    @property
    def due_since(self) -> datetime:
        """What was uploaded before this moment should have a result."""
        return self.began_at - timedelta(minutes=self.settings.overdue_after_minutes)

    def pages(self, after_key: str | None) -> Iterator[ListObjectVersionsOutputTypeDef]:
        """All uploads in the order of their keys, each key's latest version first."""
        start: dict[str, Any] = {} if after_key is None else {"KeyMarker": after_key}
        paginator = self.clients.s3.get_paginator("list_object_versions")
        yield from paginator.paginate(Bucket=self.settings.input_bucket, Prefix=INCOMING_PREFIX, **start)

    def work_on(self, page: ListObjectVersionsOutputTypeDef) -> list[Fate]:
        """Ask again for what is overdue on the page; what became of every upload that seemed to be."""
        look_back = self.began_at - timedelta(days=self.settings.look_back_days)
        uploads = latest_uploads(page, self.settings.input_bucket, after=look_back, before=self.due_since)
        rows = self.rows_of_the_model(uploads)
        missing = [it for it in uploads if not has_result(it, rows.get(it.image.uri, ()))]
        with ThreadPoolExecutor(SENT_AT_ONCE, thread_name_prefix="overdue") as pool:
            verdicts = list(pool.map(self.judge, missing))
        send((it.order for it in verdicts if it.order), self.clients.sqs, self.settings.queue_url)
        for verdict in verdicts:
            tell(verdict)
        return [verdict.fate for verdict in verdicts]

    def rows_of_the_model(self, uploads: Sequence[Upload]) -> dict[str, tuple[RowFacts]]:
        """The rows under the configured model, by image: most uploads have theirs, and cost a hundredth of a request.

        A row that DynamoDB had no time to read is not among them; `judge` reads it alone.
        """
        model = ModelFacts(name=self.settings.model_name, version=self.settings.model_version)
        keys: list[dict[str, AttributeValueTypeDef]] = [
            {"image": {"S": it.image.uri}, "model": {"S": model.ref}} for it in uploads
        ]
        rows: dict[str, tuple[RowFacts]] = {}
        for first in range(0, len(keys), ROWS_AT_ONCE):
            part = keys[first : first + ROWS_AT_ONCE]
            wanted: KeysAndAttributesTypeDef = {"Keys": part, "ProjectionExpression": FACTS}
            answer = self.clients.dynamodb.batch_get_item(RequestItems={self.settings.table_name: wanted})
            found = map(facts_of, answer["Responses"].get(self.settings.table_name, []))
            rows |= {row.image: (row,) for row in found}
        return rows

    def rows_of(self, upload: Upload) -> tuple[RowFacts, ...]:
        """The image's rows under every model; there are as many as the models that ever looked at it."""
        answer = self.clients.dynamodb.query(
            TableName=self.settings.table_name,
            KeyConditionExpression="image = :image",
            ExpressionAttributeValues={":image": {"S": upload.image.uri}},
            ProjectionExpression=FACTS,
            ConsistentRead=True,
        )
        return tuple(map(facts_of, answer["Items"]))

    def judge(self, upload: Upload) -> Verdict:
        """What to do about an upload without a row of the model; a try is remembered before it is made, lest it be made for ever."""
        rows = self.rows_of(upload)
        if has_result(upload, rows):
            return Verdict(upload, "has_result")
        order = order_for(upload, rows, listed_at=self.began_at)
        if order is None:
            return Verdict(upload, "undecided")
        most = tries_allowed(self.due_since - upload.uploaded_at, self.messages_waiting)
        forget_at = upload.uploaded_at + timedelta(days=self.settings.look_back_days + 1)
        if most == 0:
            return Verdict(upload, "waits")
        if self.reminders.count_try(order.image, most=most, now=self.began_at, forget_at=forget_at):
            return Verdict(upload, "enqueued", order)
        return Verdict(upload, "asked_before")


def facts_of(item: dict[str, AttributeValueTypeDef]) -> RowFacts:
    """The row's facts, all of them strings."""
    return RowFacts.model_validate({name: value["S"] for name, value in item.items()})


def tell(verdict: Verdict) -> None:
    """One line about an upload that is overdue; the others have said nothing wrong."""
    if verdict.fate in OVERDUE:
        logger.warning(
            "upload overdue",
            image=verdict.upload.image.uri,
            version_id=verdict.upload.image.version_id,
            uploaded_at=verdict.upload.uploaded_at.isoformat(),
            fate=verdict.fate,
            reason=OVERDUE[verdict.fate],
        )
