"""Whether the models can answer: all workers of each are READY, and the probe picture was answered.

The probe picture is sent once in each TorchServe's life, and goes to one worker: it shows that the way there and back is
open. What each worker computes was checked by the archive's handler before that worker became READY.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from proxy.groups.dispatch import Dispatcher
from proxy.metrics import Metrics
from proxy.responses import GroupFailed
from proxy.torchserve.management import Worker
from proxy.torchserve.upstream import Upstream

logger = logging.getLogger(__name__)

LOOK_S = 3.0
LOOK_WHILE_UNREADY_S = 0.25


@dataclass(frozen=True)
class State:
    """The state of a model, or of all models together."""

    ready: bool = False
    takes_requests: bool = False  # some worker lives
    reason: str = "TorchServe starts."
    failed: bool = False  # the reason is a death, not a start that goes on


@dataclass(eq=False)
class ServedModel:
    """One model, from the proxy's side."""

    name: str
    upstream: Upstream
    dispatcher: Dispatcher
    facts: Mapping[str, Any] = field(default_factory=dict)  # which model and engine answer
    passed: bool = False  # one worker has answered the probe picture since TorchServe started
    workers: frozenset[Worker] = frozenset()  # that were READY at the last look
    state: State = field(default_factory=State)


class Readiness:
    """Checks each model every few seconds, and at once when something went wrong; none waits for another."""

    def __init__(
        self,
        served: Sequence[ServedModel],
        workers: Callable[[str], Awaitable[Sequence[Worker] | None]],
        death: Callable[[str], Awaitable[str | None]],
        metrics: Metrics,
    ) -> None:
        self._served = served
        self._workers = workers
        self._death = death
        self._metrics = metrics
        self._suspicions = {it.name: asyncio.Event() for it in served}

    @property
    def state(self) -> State:
        """The state for /ping: ready if all models are; else the state of one that is not, of a dead one first."""
        unready = [it for it in self._served if not it.state.ready]
        if not unready:
            return State(ready=True, takes_requests=True, reason="")
        worst = next((it for it in unready if it.state.failed), unready[0])
        whose = f"{worst.name}: " if len(self._served) > 1 else ""
        return replace(worst.state, reason=whose + worst.state.reason)

    def suspect(self) -> None:
        """Something went wrong: check now."""
        for suspicion in self._suspicions.values():
            suspicion.set()

    def down(self, reason: str) -> None:
        """TorchServe has ended, and its workers with it."""
        for served in self._served:
            served.passed, served.workers = False, frozenset()
            served.dispatcher.open(workers=0)
            self._become(served, State(reason=reason, failed=True))

    async def watch(self) -> None:
        """Look again and again, until cancelled."""
        await asyncio.gather(*map(self._watch, self._served))

    async def look(self) -> None:
        """Ask for the workers of each model, and send the probe picture to a model that has not answered it yet."""
        await asyncio.gather(*map(self._look_at, self._served))

    async def _watch(self, served: ServedModel) -> None:
        suspicion = self._suspicions[served.name]
        while True:
            suspicion.clear()
            await self._look_at(served)
            try:
                async with asyncio.timeout(self._pause_s(served)):
                    await suspicion.wait()
            except TimeoutError:
                continue
            await asyncio.sleep(LOOK_WHILE_UNREADY_S)  # many failures at once are one look

    def _pause_s(self, served: ServedModel) -> float:
        """Until the next look; a model that may never load takes no time from one that is served."""
        beside_others = served.state.failed and any(it.state.ready for it in self._served)
        return LOOK_S if served.state.ready or beside_others else LOOK_WHILE_UNREADY_S

    async def _look_at(self, served: ServedModel) -> None:
        state = await self._seen(served)
        death = None if state.ready else await self._death(served.name)
        self._become(served, replace(state, reason=death, failed=True) if death else state)

    async def _seen(self, served: ServedModel) -> State:
        workers = await self._workers(served.name)
        if workers is None:  # busy or starting; one that has ended calls `down`
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

    async def _try(self, served: ServedModel) -> str:
        try:
            served.facts = await served.upstream.probe()
        except GroupFailed as failed:
            return f"{served.name} does not answer the golden picture: {failed}."
        served.passed = True
        self._metrics.engine(served.facts)
        return ""

    def _become(self, served: ServedModel, state: State) -> None:
        before, served.state = served.state, state
        self._metrics.readiness(ready=self.state.ready)
        self._metrics.model_readiness(served.name, ready=state.ready)
        if state.ready and not before.ready:
            logger.info("ready: %s, engine: %s", served.name, served.facts.get("engine", "unknown"))
        elif state.ready != before.ready or (state.failed and state.reason != before.reason):
            logger.info("not ready: %s: %s", served.name, state.reason)
