"""One world: the plan's events by the virtual clock, the pipeline's real code, and what became of every upload.

uploads -> S3's events -> the queue -> the mapping -> classify_messages -> rows and JSON, or dead letters
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import cycle
from typing import Any, Literal

from botocore.exceptions import BotoCoreError, ClientError

from pipeline.backfill.handler import order_for
from pipeline.classify.ask import Ask
from pipeline.classify.clock import OutOfTime
from pipeline.classify.connections import Connections
from pipeline.classify.handler import classify_messages
from pipeline.classify.trials import Trials
from pipeline.contracts import ImageRef, ModelFacts
from pipeline.errors import MessageUnreadable, ModelUnavailable, NotTogether
from pipeline.model_server.client import ModelClient
from pipeline.queue.messages import Queue
from pipeline.reconcile.handler import Clients
from pipeline.results.store import Store
from pipeline.rollout.ledger import Rollouts
from pipeline.rollout.samples import Samples
from pipeline.rollout.state import Rollout as RolloutState
from pipeline.settings import ReconcileSettings
from tests.functions.factories import body_about, deployed_settings
from tests.functions.simulation.backfill import OrderFor, backfill
from tests.functions.simulation.dynamodb import DynamoDBFake, Table
from tests.functions.simulation.effects import Undisturbed
from tests.functions.simulation.faults import Faults
from tests.functions.simulation.fibers import Fiber
from tests.functions.simulation.function import Function, Handler
from tests.functions.simulation.gate import Gate
from tests.functions.simulation.model_server import (
    ModelServer,
    SimulatedModelClient,
    SimulatedModelHere,
    Wire,
    picture,
)
from tests.functions.simulation.plan import Action, Backfill, Delete, Outage, Plan, Rollout, Step, Stray, Upload
from tests.functions.simulation.reconcile import UNTIL_ALL_IS_FOUND_S, Reconcile
from tests.functions.simulation.s3 import S3, S3Fake
from tests.functions.simulation.scheduler import Scheduler
from tests.functions.simulation.sqs import DEAD_LETTERS_KEPT_S, KEPT_S, SqsFake, StandardQueue
from tests.functions.simulation.witness import CANDIDATE_SEES, Uploaded, Witness

INPUT, RESULTS, ROWS, LEDGER = "input", "results", "rows", "ledger"
BEGINNING = datetime(2026, 11, 21, 12, tzinfo=UTC)
FIRST_SEQUENCER = 0x0055AED6DCD90281E0
LARGEST_IMAGE_BYTES = 400
EXPECTED_ERRORS = (ClientError, BotoCoreError, ModelUnavailable, NotTogether, OutOfTime, MessageUnreadable)


@dataclass(frozen=True)
class Code:
    """What runs in the world: the pipeline's code, or a variant of a part of it that a test wants to see fail."""

    handler: Handler = classify_messages
    store: type[Store] = Store
    queue: type[Queue] = Queue
    s3: type[S3Fake] = S3Fake
    model: type[SimulatedModelClient] = SimulatedModelClient
    order_for: OrderFor = order_for
    trials: type[Trials] = Trials
    kept_s: float = KEPT_S  # on the queue


class World:
    """Everything that is not code of the pipeline."""

    def __init__(self, plan: Plan, code: Code) -> None:
        self.plan, self.code = plan, code
        self.scheduler = Scheduler(turns=iter(plan.turns))
        self.faults = Faults(self.scheduler, plan.faults)
        self.s3 = S3(INPUT, RESULTS)
        self.server = ModelServer(ModelFacts(name="balls", version="1.0", archive_sha256="5e" * 32), plan.many)
        facts = ModelFacts(name="balls", version="2.0", archive_sha256="2e" * 32)
        self.candidate = ModelServer(facts, plan.many, CANDIDATE_SEES)
        self.queue = StandardQueue("https://queue.test/images", self.scheduler.at, kept_s=code.kept_s)
        self.dead_letters = StandardQueue(
            "https://queue.test/images-dlq", self.scheduler.at, kept_s=DEAD_LETTERS_KEPT_S
        )
        self.witness = Witness(
            self.s3,
            RESULTS,
            lambda: self.now_s,
            only_forward=not (plan.reconcile or any(isinstance(it, Backfill) for it in plan.actions)),
        )
        self.rows = Table(("image", "model"), self.witness.saw_row)
        self.ledger = Table(("id",))
        self.settings = deployed_settings(
            queue_url=self.queue.url,
            dlq_url=self.dead_letters.url,
            results="lines" if plan.lines else "each",
            max_image_bytes=LARGEST_IMAGE_BYTES,
            max_receives=plan.max_receives,
        )
        self.function = Function(
            scheduler=self.scheduler,
            queue=self.queue,
            dead_letters=self.dead_letters,
            handler=code.handler,
            settings=self.settings,
            connect=self.connect,
            today=self.today,
            fault=self.faults.fault,
            notice=self.notice,
            batch_size=plan.batch_size,
            concurrency=plan.concurrency,
        )
        self.scheduler.others = self.function.polls
        self.bugs: list[Exception] = []
        self.backfills: list[Fiber] = []
        self._jitter = cycle(plan.jitter)
        self.gate = self._gate()
        self.reconcile = self._reconcile()
        self._last_s = 0.0  # when the plan's last action happened
        self._to_come = 0  # of the plan's actions, not yet happened

    @property
    def now_s(self) -> float:
        return self.scheduler.now_s

    def today(self) -> datetime:
        return BEGINNING + timedelta(seconds=self.now_s)

    def connect(self) -> Connections:
        """What a process of the function opens when it starts."""
        s3, dynamodb, sqs = self._clients()
        model = self._model(self.server)
        return Connections(
            s3=s3,
            store=self.code.store(s3, dynamodb, RESULTS, ROWS, INPUT),
            queue=self.code.queue(sqs, self.queue.url, self.dead_letters.url, draw=lambda: next(self._jitter)),
            model=model,
            trials=self.code.trials(
                Rollouts(dynamodb, LEDGER),
                Samples(s3, RESULTS),
                self.settings.model,
                model,
                lambda _rollout: self._model(self.candidate),
                now_s=lambda: self.now_s,
            ),
        )

    def _model(self, server: ModelServer) -> Ask:
        return SimulatedModelHere(self.faults, server) if self.plan.here else self._model_client(server)

    def _clients(self) -> tuple[Any, Any, Any]:
        return (
            self.code.s3(self.faults, self.s3, self.today),
            DynamoDBFake(self.faults, {ROWS: self.rows, LEDGER: self.ledger}),
            SqsFake(self.faults, self.queue, self.dead_letters),
        )

    def _model_client(self, server: ModelServer) -> ModelClient:
        wire, timeout_s = Wire(self.faults, server), self.settings.predict_timeout_s
        return self.code.model(wire, self.settings.model_name, timeout_s=timeout_s, now_s=lambda: self.now_s)

    def _gate(self) -> Gate | None:
        if self.plan.gate_lag_s is None:
            return None
        return Gate(self.scheduler, self.function, self._model_client(self.server), self.today, self.plan.gate_lag_s)

    def _reconcile(self) -> Reconcile:
        settings = ReconcileSettings(
            input_bucket=INPUT,
            table_name=ROWS,
            ledger_name=LEDGER,
            queue_url=self.queue.url,
            model_name="balls",
            model_version="1.0",
            overdue_after_minutes=30,
            look_back_days=14,
        )
        return Reconcile(self.scheduler, settings, Clients(*self._clients()), self.today)

    def notice(self, error: Exception) -> None:
        """An error that no fault explains is a bug: of the pipeline, or of this world."""
        if not isinstance(error, EXPECTED_ERRORS):
            self.bugs.append(error)

    def run(self) -> None:
        """Let everything happen that is planned, and the function work until the queue is empty."""
        if self.gate is not None:
            self.gate.start(self.plan.first_tick_s)
        if self.plan.reconcile:
            self.reconcile.start()
        at_s = 0.0
        for action in self.plan.actions:
            at_s += action.after_s
            self._plan_for(at_s, partial(self._act, action))
        for outage in self.plan.outages:
            self._plan_for(outage.from_s, partial(self._begin, outage))
            self._plan_for(outage.to_s, partial(self._end, outage))
        self._go_on()

    @property
    def _servers(self) -> dict[str, ModelServer]:
        return {"server": self.server, "candidate": self.candidate}

    def redrive(self) -> None:
        """The causes are gone, and a person redrives the dead letters."""
        self.server.cured = self.candidate.cured = True
        self.faults.stop()
        self._last_s = self.now_s
        for dead in self.dead_letters.messages:
            dead.deleted = True
            self.queue.send(dead.body, self.now_s)
        self._go_on()

    def close(self) -> None:
        """End every thread that is still somewhere."""
        for fiber in self.scheduler.fibers:
            self.scheduler.kill(fiber)

    def _go_on(self) -> None:
        self.scheduler.run(self._is_over)

    def _is_over(self) -> bool:
        looking = self.plan.reconcile and self.now_s < self._last_s + UNTIL_ALL_IS_FOUND_S
        enqueueing = any(not it.done for it in self.backfills)
        return not (self._to_come or self.function.busy or self.queue.messages or looking or enqueueing)

    def _plan_for(self, time_s: float, step: Callable[[], object]) -> None:
        def happen() -> None:
            self._to_come -= 1
            self._last_s = self.now_s
            step()

        self._to_come += 1
        self.scheduler.at(time_s, happen)

    def _act(self, action: Action) -> None:
        match action:
            case Upload():
                self._upload(action)
            case Delete(key, _, for_good):
                versions = self.s3.buckets[INPUT].get(key, [])
                if versions and for_good:
                    self.witness.deleted.add(versions.pop().version_id)
                elif versions:
                    self.s3.put(INPUT, key, None, self.today())
            case Stray(body):
                self.queue.send(body, self.now_s)
            case Backfill():
                self.backfills.append(self._backfill())
                self.scheduler.start(self.backfills[-1])
            case Rollout(version):
                self.server.model = self.server.model.model_copy(update={"version": version})
            case Step(weight):
                self._step(weight)

    def _step(self, weight: float | None) -> None:
        """As `podium rollout` writes it, or the rollback."""
        rollouts = Rollouts(DynamoDBFake(Undisturbed(), {LEDGER: self.ledger}), LEDGER)  # type: ignore[arg-type]
        before, now = rollouts.read(), self.today()
        if weight is None:
            rollouts.roll_back(by="person", reason="It was bad.", at=now, noticed_at=now)
            return
        self.witness.candidate_may_answer |= weight > 0
        stage: Literal["shadow", "weights"] = "weights" if weight else "shadow"
        begun = before.started_at if before and before.is_live else now
        state = RolloutState(
            candidate_name="balls", candidate_version="2.0", replaces="balls@1.0", stage=stage, weight=weight,
            compared_share=50, started_at=begun, stage_at=now,
        )  # fmt: skip
        rollouts.write(state, before)

    def _backfill(self) -> Fiber:
        pause_above, sleep = self.plan.pause_above, self.faults.sleep
        clients = self._clients()
        return Fiber(partial(backfill, clients, self.settings, self.code.order_for, pause_above, sleep), "backfill")

    def _upload(self, upload: Upload) -> None:
        number = len(self.witness.uploads)
        data = _bytes_of(upload, number)
        version = self.s3.put(INPUT, upload.key, data, self.today())
        image = ImageRef(
            bucket=INPUT,
            key=upload.key,
            version_id=version.version_id,
            etag=version.etag,
            size_bytes=len(data),
            sequencer=f"{FIRST_SEQUENCER + number:018X}{upload.sequencer_tail}",
        )
        before = [it.image for it in self.witness.uploads[-1:] if upload.with_the_one_before]
        self.witness.uploads.append(Uploaded(number, upload, image, self.now_s, self.plan.here))
        body = body_about(*before, image)
        for delay_s in upload.events_after_s:
            self._plan_for(self.now_s + delay_s, lambda: self.queue.send(body, self.now_s))

    def _begin(self, outage: Outage) -> None:
        if outage.service in self._servers:
            self._servers[outage.service].moods.append(outage.mood)
        else:
            self.faults.down[outage.service] += 1

    def _end(self, outage: Outage) -> None:
        if outage.service in self._servers:
            self._servers[outage.service].moods.remove(outage.mood)
        else:
            self.faults.down[outage.service] -= 1


def _bytes_of(upload: Upload, number: int) -> bytes:
    match upload.content:
        case "empty":
            return b""
        case "text":
            return f"a text, not an image, {number}".encode()
        case "huge":
            return picture("huge", number).ljust(LARGEST_IMAGE_BYTES + 1, b"\0")
        case content:
            return picture(content, number)
