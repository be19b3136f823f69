"""The gate beside the function: its own core, checking the simulated server once a minute."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from pipeline.errors import ModelUnavailable
from pipeline.gate.decision import CLOSED, CLOSING, OPEN, EventSourceMapping, Time, check
from pipeline.gate.probe_picture import probe_picture
from pipeline.model_server.client import ModelClient
from tests.functions.simulation.fibers import Fiber
from tests.functions.simulation.function import TIMEOUT_S, Function
from tests.functions.simulation.scheduler import Scheduler

TICK_S = 60.0  # template.yaml; the alarm, which is quicker or slower, is left out
CHANGING_S = 5.0


@dataclass
class Gate:
    """The mapping as AWS keeps it: a change takes a while, and no other is taken meanwhile."""

    scheduler: Scheduler
    function: Function
    model: ModelClient
    today: Callable[[], datetime]
    lag_s: float  # from the request for a change to its effect
    state: str = OPEN
    since: datetime | None = None
    closings: list[float] = field(default_factory=list)

    def start(self, first_tick_s: float) -> None:
        self.since = self.today()
        self.scheduler.at(first_tick_s, self._tick)

    def _tick(self) -> None:
        self.scheduler.at(self.scheduler.now_s + TICK_S, self._tick)
        self.scheduler.start(Fiber(self._check, "gate"))

    def _check(self) -> None:
        end_s = self.scheduler.now_s + TIMEOUT_S
        check(
            EventSourceMapping(self.state, self.since or self.today()),
            probe=lambda: self._probe(end_s - self.scheduler.now_s - CHANGING_S),
            waiting=lambda: len(self.function.queue.messages),
            change=self._change,
            time=Time(self.scheduler.sleep, lambda: end_s - self.scheduler.now_s),
        )

    def _probe(self, budget_s: float) -> str | None:
        try:
            self.model.ask([probe_picture()], budget_s=budget_s)
        except ModelUnavailable as unavailable:
            return str(unavailable)
        return None

    def _change(self, at_last: str) -> bool:
        if self.state not in {OPEN, CLOSED}:
            return False
        self.state, self.since = "Enabling" if at_last == OPEN else CLOSING, self.today()

        def take_effect() -> None:
            self.state = at_last
            self.function.enabled = at_last == OPEN

        self.scheduler.at(self.scheduler.now_s + self.lag_s, take_effect)
        if at_last == CLOSED:
            self.closings.append(self.scheduler.now_s)
        return True
