"""Whether the server can answer: all workers are READY, and the golden picture was answered by them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from proxy.answers import GroupFailed
from proxy.dispatch import Dispatcher
from proxy.management import Worker
from proxy.metrics import Metrics
from proxy.upstream import Upstream

logger = logging.getLogger(__name__)

LOOK_S = 3.0
LOOK_WHILE_UNREADY_S = 0.25


@dataclass(eq=False)
class Served:
    """One model, from the proxy's side."""

    name: str
    upstream: Upstream
    dispatcher: Dispatcher
    facts: Mapping[str, Any] = field(default_factory=dict)  # the model's own words about itself
    passed: bool = False  # the golden picture, by the workers that live now
    workers: frozenset[Worker] = frozenset()  # that were READY at the last look


@dataclass
class State:
    """What /ping says."""

    ready: bool = False
    takes_requests: bool = False  # some worker of every model lives
    reason: str = "TorchServe starts."
    failed: bool = False  # the reason is a death, not a start that goes on


class Readiness:
    """Looks at TorchServe every few seconds, and at once when something went wrong."""

    def __init__(
        self,
        served: Sequence[Served],
        workers: Callable[[str], Awaitable[Sequence[Worker] | None]],
        death: Callable[[], Awaitable[str | None]],
        metrics: Metrics,
    ) -> None:
        self.state = State()
        self._served = served
        self._workers = workers
        self._death = death
        self._metrics = metrics
        self._suspicion = asyncio.Event()

    def suspect(self) -> None:
        """Something went wrong: look now."""
        self._suspicion.set()

    def down(self, reason: str) -> None:
        """TorchServe is gone: whatever its workers were, they are no more."""
        for served in self._served:
            served.passed, served.workers = False, frozenset()
            served.dispatcher.open(workers=0)
        self._become(State(reason=reason, failed=True))

    async def watch(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            self._suspicion.clear()
            await self.look()
            try:
                async with asyncio.timeout(LOOK_S if self.state.ready else LOOK_WHILE_UNREADY_S):
                    await self._suspicion.wait()
            except TimeoutError:
                continue
            await asyncio.sleep(LOOK_WHILE_UNREADY_S)  # many failures at once are one look

    async def look(self) -> None:
        """Ask for the workers of each model, and try the golden picture where it has not passed yet."""
        states = [await self._look_at(served) for served in self._served]
        unready = [state for state in states if not state.ready]
        takes_requests = all(state.takes_requests for state in states)
        state = State(ready=True, takes_requests=True, reason="")
        if unready:
            death = await self._death()
            state = State(False, takes_requests, death or unready[0].reason, failed=death is not None)
        self._become(state)

    async def _look_at(self, served: Served) -> State:
        workers = await self._workers(served.name)
        if workers is None:  # busy or starting; a TorchServe that is gone is told by `down`
            return State(
                False, served.passed and bool(served.workers), f"TorchServe does not say how {served.name} is."
            )
        ready = frozenset(worker for worker in workers if worker.ready)
        gone = served.workers - ready
        self._metrics.worker_died(len(gone))
        if gone:
            logger.warning("worker died: %s, %d of %d are ready", served.name, len(ready), len(workers))
        served.workers = ready
        whole = bool(workers) and len(ready) == len(workers)
        reason = f"{len(ready)} of {len(workers)} workers of {served.name} are ready."
        if whole and not served.passed:
            reason = await self._try(served)
        served.dispatcher.open(workers=len(ready) if served.passed else 0)
        return State(whole and served.passed, bool(ready) and served.passed, reason)

    async def _try(self, served: Served) -> str:
        try:
            served.facts = await served.upstream.try_golden()
        except GroupFailed as failed:
            return f"{served.name} does not answer the golden picture: {failed}."
        served.passed = True
        served.dispatcher.waiting.limit_batches(served.upstream.batch_limit)
        self._metrics.engine(served.facts)
        return ""

    def _become(self, state: State) -> None:
        before, self.state = self.state, state
        self._metrics.readiness(ready=state.ready)
        if state.ready != before.ready or (state.failed and state.reason != before.reason):
            said = "ready: %s" if state.ready else "not ready: %s"
            logger.info(said, state.reason or ", ".join(served.name for served in self._served))
