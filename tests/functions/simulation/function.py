"""Lambda: an event source mapping that takes messages off the queue, and the processes that it hands them to."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Protocol

from pipeline.classify.answer import Response
from pipeline.classify.clock import REPORTING_S, Clock
from pipeline.classify.connections import Connections
from pipeline.queue.messages import Message
from pipeline.settings import Settings
from pipeline.telemetry import metrics
from tests.functions.simulation.fibers import Fiber, FiberPool
from tests.functions.simulation.plan import Kind
from tests.functions.simulation.scheduler import Scheduler, Step
from tests.functions.simulation.sqs import VISIBILITY_TIMEOUT_S, Sent, StandardQueue

TIMEOUT_S = 60.0  # template.yaml
POLL_AGAIN_AFTER_S = 30.0  # when SQS refused


class Handler(Protocol):
    """classify_messages, or a variant of it that a test wants to see fail."""

    def __call__(
        self,
        messages: tuple[Message, ...],
        settings: Settings,
        connections: Connections,
        clock: Clock,
        workers: Callable[[], Executor],
    ) -> Response: ...


@dataclass
class Process:
    """One execution environment: frozen between its invocations, threads and all."""

    connections: Connections
    awake: bool = False
    served: int = 0  # invocations
    invocation: int = 0  # the newest of these
    fibers: list[Fiber] = field(default_factory=list)


@dataclass
class Function:
    """The mapping and the function behind it."""

    scheduler: Scheduler
    queue: StandardQueue
    dead_letters: StandardQueue
    handler: Handler
    settings: Settings
    connect: Callable[[], Connections]
    today: Callable[[], datetime]
    fault: Callable[[str], Kind | None]  # what is planned for this effect of the mapping's own
    notice: Callable[[Exception], None]  # gets every error
    batch_size: int
    concurrency: int
    enabled: bool = True
    processes: list[Process] = field(default_factory=list)
    invocations: int = 0
    kills: int = 0
    _polls_from_s: float = 0.0

    @property
    def busy(self) -> list[Process]:
        return [process for process in self.processes if process.awake]

    def polls(self) -> list[Step]:
        """Taking a batch, if there is one and somebody to work on it."""
        could = self.enabled and len(self.busy) < self.concurrency and self.scheduler.now_s >= self._polls_from_s
        return [self.poll] if could and self.queue.visible(self.scheduler.now_s) else []

    def poll(self) -> None:
        """Receive what is visible; a message that was received too often already goes to the dead letters."""
        now_s = self.scheduler.now_s
        kind = self.fault("sqs.receive")
        if kind == "refused":
            self._polls_from_s = now_s + POLL_AGAIN_AFTER_S
            self.scheduler.at(self._polls_from_s, lambda: None)
            return
        batch: list[Sent] = []
        for message in self.queue.visible(now_s)[: self.batch_size]:
            if message.receives >= self.settings.max_receives:
                message.died = True
                self.dead_letters.send(message.body, now_s)
                continue
            message.received_s.append(now_s)
            if kind != "twice":  # else another poller gets it, too
                self.queue.hide(message, now_s + VISIBILITY_TIMEOUT_S)
            batch.append(message)
        if batch and kind in {None, "twice"}:  # else they were handed out, and never arrived
            self.invoke(batch)

    def invoke(self, batch: list[Sent]) -> None:
        """Hand the batch to a process; it has its time, and is killed at its end."""
        self.invocations += 1
        process = next((it for it in self.processes if not it.awake), None)
        if process is None:
            process = Process(self.connect())
            self.processes.append(process)
        process.awake, process.served, process.invocation = True, process.served + 1, self.invocations
        main = Fiber(partial(self._live, process, batch))
        self._adopt(process, main)
        self.scheduler.at(self.scheduler.now_s + TIMEOUT_S, lambda: None if main.done else self.kill(process))

    def kill(self, process: Process) -> None:
        """The machine is gone: nothing is acknowledged."""
        self.kills += 1
        for fiber in process.fibers:
            self.scheduler.kill(fiber)
        process.awake = False
        self.processes.remove(process)

    def _adopt(self, process: Process, fiber: Fiber) -> None:
        served, fiber.name = process.served, f"invocation {process.invocation}"
        fiber.is_awake, fiber.is_late = lambda: process.awake, lambda: process.served > served
        fiber.on_killed = lambda: self.kill(process)
        process.fibers = [it for it in process.fibers if not it.done] + [fiber]
        self.scheduler.start(fiber)

    def _live(self, process: Process, batch: list[Sent]) -> None:
        """One invocation."""
        end_s = self.scheduler.now_s + TIMEOUT_S - REPORTING_S
        try:
            response = self.handler(
                tuple(map(_as_lambda_hands_it_over, batch)),
                self.settings,
                process.connections,
                Clock(
                    lambda: int((end_s - self.scheduler.now_s) * 1000) / 1000, self.today, lambda: self.scheduler.now_s
                ),
                lambda: FiberPool(partial(self._adopt, process), self.scheduler.wait, self.notice),
            )
        except Exception as error:  # noqa: BLE001 (Lambda survives it, too, and retries the batch)
            self.notice(error)
        else:
            self._acknowledge(batch, {it["itemIdentifier"] for it in response["batchItemFailures"]})
        finally:
            metrics.clear_metrics()
            process.awake = False

    def _acknowledge(self, batch: list[Sent], failed: set[str]) -> None:
        """Delete what was not reported; an id that is none of the batch's fails the whole of it: AWS's rule."""
        if not failed <= {message.message_id for message in batch}:
            return
        for message in batch:
            if message.message_id not in failed and self.fault("sqs.delete") in {None, "lost", "twice"}:
                message.deleted = True


def _as_lambda_hands_it_over(message: Sent) -> Message:
    return Message.model_validate(
        {
            "messageId": message.message_id,
            "receiptHandle": f"{message.message_id}/{message.receives}",
            "body": message.body,
            "attributes": {"ApproximateReceiveCount": str(message.receives)},
        }
    )
