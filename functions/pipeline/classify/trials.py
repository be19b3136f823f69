"""The rollout as a process of the function knows it: read from the ledger twice a minute, its candidate opened once."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from concurrent.futures import Executor
from dataclasses import dataclass, field

from pipeline.classify.ask import Ask
from pipeline.classify.candidate import Models
from pipeline.classify.clock import Clock, outcome_of
from pipeline.classify.trial import Trial
from pipeline.contracts import ModelFacts, Order
from pipeline.rollout.ledger import Rollouts
from pipeline.rollout.samples import Samples
from pipeline.rollout.state import Rollout
from pipeline.telemetry import logger

READ_EVERY_S = 30.0  # so long a step or a rollback takes to reach a process
READING_S = 3.0  # of an invocation's time, at most: its client gives up after 2
TRUSTED_FOR_S = 300.0  # when the ledger cannot be read any more: then there is no candidate


@dataclass
class Trials:
    """One for a process. Without a live rollout it costs a read of one item every half minute."""

    rollouts: Rollouts
    samples: Samples
    configured: ModelFacts
    current: Ask
    open_candidate: Callable[[Rollout], Ask]
    now_s: Callable[[], float] = time.time  # of day: a monotonic clock may stand still while a Lambda is frozen
    _known: Rollout | None = None
    _read_at_s: float | None = None
    _tried_at_s: float | None = None
    _candidate: tuple[str, Ask] | None = None
    _stopped: set[str] = field(default_factory=set)  # rollouts whose candidate was seen to be beyond its limits

    def begin(self, clock: Clock, orders: Collection[Order], pool: Executor) -> Trial:
        """The rollout in an invocation of these orders that begins now; one that does nothing, if none is live."""
        rollout = self._live(clock, pool, at_once=any(order.sender == "rollout" for order in orders))
        if rollout is None:
            self._close()
            return Trial()
        if self._candidate is None or self._candidate[0] != rollout.id:
            self._close()
            self._candidate = (rollout.id, self.open_candidate(rollout))
        return Trial(rollout, Models(self.current, self._candidate[1], rollout.candidate), clock)

    def end(self, trial: Trial, clock: Clock, pool: Executor) -> None:
        """Add what was seen to the ledger. A candidate beyond its limits is not asked again here; the alarm ends it everywhere."""
        if trial.rollout is None:
            return
        match outcome_of(pool.submit(trial.report, self.rollouts, self.samples, clock.now()), clock):
            case BaseException() as problem:
                logger.warning("rollout not counted", reason=str(problem), extra=dict(trial.counts))
        if trial.broken and trial.rollout is not None:
            self._stopped.add(trial.rollout.id)

    def _live(self, clock: Clock, pool: Executor, *, at_once: bool) -> Rollout | None:
        """The rollout, if its candidate is another model than the configured one: a deployment makes it that at the end.

        `at_once`: an order tells of one that has just begun.
        """
        self._look(clock, pool, at_once=at_once)
        rollout = self._known
        if rollout is None or not rollout.is_live or rollout.id in self._stopped:
            return None
        return rollout if rollout.replaces == self.configured.ref != rollout.candidate.ref else None

    def _look(self, clock: Clock, pool: Executor, *, at_once: bool) -> None:
        now_s = self.now_s()
        if not at_once and self._tried_at_s is not None and now_s - self._tried_at_s < READ_EVERY_S:
            return
        self._tried_at_s = now_s
        found = outcome_of(pool.submit(self.rollouts.read), clock, keep_s=max(0.0, clock.left_s() - READING_S))
        if not isinstance(found, BaseException):
            self._known, self._read_at_s = found, now_s
        else:
            logger.warning("rollout not read", reason=str(found))
            if self._read_at_s is not None and now_s - self._read_at_s > TRUSTED_FOR_S:
                self._known = None

    def _close(self) -> None:
        """Let go of the former candidate: a model in this function holds memory."""
        if self._candidate is not None:
            close = getattr(self._candidate[1], "close", None)
            self._candidate = None
            if close:
                close()
