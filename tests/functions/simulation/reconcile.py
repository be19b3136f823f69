"""Reconcile beside the function: its own code, once an hour, one upload after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from botocore.exceptions import BotoCoreError, ClientError

from pipeline.queue.messages import messages_on
from pipeline.queue.orders import body_of
from pipeline.reconcile.handler import Clients, Search
from pipeline.reconcile.overdue import uploads_between
from pipeline.reconcile.progress import Progress
from pipeline.reconcile.reminders import Reminders
from pipeline.settings import ReconcileSettings
from tests.functions.simulation.fibers import Fiber
from tests.functions.simulation.scheduler import Scheduler

EVERY_S = 3_600.0  # template.yaml
# An upload is overdue after half an hour, and behind a backlog after six more; then it may be enqueued three times.
UNTIL_ALL_IS_FOUND_S = 11 * 3_600.0


@dataclass
class Reconcile:
    """The function that looks for uploads without a result."""

    scheduler: Scheduler
    settings: ReconcileSettings
    clients: Clients
    today: Callable[[], datetime]
    runs: int = 0
    progress: Progress = field(default_factory=Progress)

    def start(self) -> None:
        self.scheduler.at(self.scheduler.now_s + EVERY_S, self._tick)

    def _tick(self) -> None:
        self.start()
        self.scheduler.start(Fiber(self._look, "reconcile"))

    def _look(self) -> None:
        """`pipeline.reconcile.handler.reconcile` without its threads, which would not be deterministic."""
        try:
            self._run()
        except (ClientError, BotoCoreError):
            return  # the next hour tries again
        self.runs += 1

    def _run(self) -> None:
        settings, clients = self.settings, self.clients
        reminders = Reminders(clients.dynamodb, settings.ledger_name)
        search = Search(settings, clients, reminders, self.today(), messages_on(clients.sqs, settings.queue_url))
        progress = self.progress.started(
            search.began_at,
            look_back=timedelta(days=settings.look_back_days),
            overdue_after=timedelta(minutes=settings.overdue_after_minutes),
        )
        for page in search.pages(None):
            uploads = uploads_between(page, after=progress.looks_after, before=search.due_since)
            for decision in [search.decide(it) for it in search.without_a_row_of_the_model(uploads)]:
                if decision.fate != "has_result":
                    progress = progress.with_open(decision.upload.uploaded_at, tries_left=decision.tries_left)
                if decision.order is not None:
                    clients.sqs.send_message(QueueUrl=settings.queue_url, MessageBody=body_of(decision.order))
        self.progress = progress.stopped(None)  # in the ledger, which reconcile alone writes, and last
