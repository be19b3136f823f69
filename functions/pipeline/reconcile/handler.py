"""The Lambda that enqueues uploads without a result again: whatever event S3 or SQS lost, every image gets its row.

list of the bucket -> uploads that had no row in time -> tries counted in the ledger -> the queue
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
from aws_lambda_powertools.utilities.typing import LambdaContext

from pipeline.aws import CLIENTS
from pipeline.contracts import INCOMING_PREFIX, ModelFacts, Order
from pipeline.queue.messages import messages_on
from pipeline.queue.orders import SENT_AT_ONCE, send
from pipeline.reconcile.overdue import MOST_TRIES, order_for, tries_allowed, uploads_between
from pipeline.reconcile.reminders import Reminders
from pipeline.results.known_rows import known_rows, known_rows_of
from pipeline.results.same_upload import same_upload
from pipeline.settings import ReconcileSettings, load_settings
from pipeline.telemetry import count, logger, metrics
from pipeline.uploads import ListedUpload, Page, pages_of_uploads

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

SPARE_MS = 60_000  # of an invocation's time: a page of a thousand uploads, all of them overdue, takes seconds

# The fates of OVERDUE are in the log, for queries; do not rename them.
Fate = Literal["enqueued", "waits", "asked_before", "undecided", "has_result"]
OVERDUE: dict[Fate, str] = {
    "enqueued": "it is on the queue again",
    "waits": "messages wait on the queue, and its own is probably one of them",
    "asked_before": "it was enqueued again before, as often as is allowed while messages wait (once) or at all (3 times): "
    "is its message a dead letter? `podium redrive --dry-run` lists them with their reasons",
}


class Decision(NamedTuple):
    """What is done about an upload that seems to have no result."""

    upload: ListedUpload
    fate: Fate
    order: Order | None = None
    tries_left: bool = True


class Response(TypedDict):
    """What a person reads who invokes the function by hand."""

    overdue: int
    requeued: int
    finished: bool  # if not, the next search goes on where this one stopped


@logger.inject_lambda_context
@metrics.log_metrics
def lambda_handler(_event: dict[str, Any], context: LambdaContext) -> Response:
    """Put every upload on the queue again that has had no result for too long."""
    return reconcile(load_settings(ReconcileSettings), datetime.now(UTC), context.get_remaining_time_in_millis)


def reconcile(settings: ReconcileSettings, now: datetime, remaining_ms: Callable[[], int]) -> Response:
    """Look through the bucket from where the last search stopped, until its end or until the time is over."""
    clients = open_clients()
    reminders = Reminders(clients.dynamodb, settings.ledger_name)
    progress = reminders.progress().started(
        now,
        look_back=timedelta(days=settings.look_back_days),
        overdue_after=timedelta(minutes=settings.overdue_after_minutes),
    )
    search = Search(settings, clients, reminders, now, messages_on(clients.sqs, settings.queue_url))
    fates: Counter[Fate] = Counter()
    for page in search.pages(progress.stopped_at):
        decisions = search.work_on(page, looks_after=progress.looks_after)
        fates.update(it.fate for it in decisions)
        for decision in decisions:
            if decision.fate != "has_result":
                progress = progress.with_open(decision.upload.uploaded_at, tries_left=decision.tries_left)
        progress = progress.stopped(page.last_key)
        if remaining_ms() < SPARE_MS:
            break
    reminders.remember(progress, now)
    overdue = sum(fates[fate] for fate in OVERDUE)
    count("UploadsOverdue", overdue)
    count("UploadsRequeued", fates["enqueued"])
    return {"overdue": overdue, "requeued": fates["enqueued"], "finished": progress.stopped_at is None}


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
class Search:
    """One search of the bucket: what its steps share. The queue is taken as it was when the search began, before it adds to it."""

    settings: ReconcileSettings
    clients: Clients
    reminders: Reminders
    began_at: datetime
    messages_waiting: int

    @property
    def due_since(self) -> datetime:
        """What was uploaded before this moment should have a result."""
        return self.began_at - timedelta(minutes=self.settings.overdue_after_minutes)

    def pages(self, after_key: str | None) -> Iterator[Page]:
        """All uploads in the order of their keys."""
        return pages_of_uploads(self.clients.s3, self.settings.input_bucket, INCOMING_PREFIX, after_key)

    def work_on(self, page: Page, *, looks_after: datetime) -> list[Decision]:
        """Enqueue again what is overdue on the page; what was decided about every upload that seemed to be."""
        missing = self.without_a_row_of_the_model(uploads_between(page, after=looks_after, before=self.due_since))
        with ThreadPoolExecutor(SENT_AT_ONCE, thread_name_prefix="overdue") as pool:
            decisions = list(pool.map(self.decide, missing))
        send((it.order for it in decisions if it.order), self.clients.sqs, self.settings.queue_url)
        if page.problem:
            logger.warning("versions not listed", reason=page.problem, uploads=len(page.uploads))
        for decision in decisions:
            log(decision)
        return decisions

    def without_a_row_of_the_model(self, uploads: Sequence[ListedUpload]) -> list[ListedUpload]:
        """The uploads that have no row of their own under the configured model; most have one, and cost a hundredth of a request.

        If DynamoDB had no time to read an upload's row, it is among them; `decide` reads its rows alone.
        """
        model = ModelFacts(name=self.settings.model_name, version=self.settings.model_version)
        images = [it.image.uri for it in uploads]
        rows = known_rows(self.clients.dynamodb, self.settings.table_name, model.ref, images, all_or_none=False)
        return [it for it in uploads if (row := rows.get(it.image.uri)) is None or not same_upload(it.image, row)]

    def decide(self, upload: ListedUpload) -> Decision:
        """What to do about an upload without a row of the model; a try is counted before it is made, lest it be made for ever."""
        rows = known_rows_of(self.clients.dynamodb, self.settings.table_name, upload.image.uri)
        if any(same_upload(upload.image, row) for row in rows):
            return Decision(upload, "has_result")
        order = order_for(upload, rows, listed_at=self.began_at)
        if order is None:
            return Decision(upload, "undecided")
        most = tries_allowed(self.due_since - upload.uploaded_at, self.messages_waiting)
        forget_at = upload.uploaded_at + timedelta(days=self.settings.look_back_days + 1)
        if most == 0:
            return Decision(upload, "waits")
        if self.reminders.count_try(order.image, most=most, now=self.began_at, forget_at=forget_at):
            return Decision(upload, "enqueued", order)
        return Decision(upload, "asked_before", tries_left=most < MOST_TRIES)


def log(decision: Decision) -> None:
    """One line about an upload that is overdue; nothing is wrong with the others."""
    if decision.fate in OVERDUE:
        logger.warning(
            "upload overdue",
            image=decision.upload.image.uri,
            version_id=decision.upload.image.version_id,
            uploaded_at=decision.upload.uploaded_at.isoformat(),
            fate=decision.fate,
            reason=OVERDUE[decision.fate],
        )
