"""One workload through one shape: minute by minute the metrics and the policy, in between whatever happens."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from random import Random

from benchmarks.scaling.backlog import Backlog, quantiles
from benchmarks.scaling.clock import Clock
from benchmarks.scaling.fleet import Fleet, Kind
from benchmarks.scaling.metrics import MINUTE, QueueMetrics
from benchmarks.scaling.policies import Policy, Seen
from benchmarks.scaling.workloads import Arrivals
from benchmarks.scaling.world import World

PATIENCE_S = 24 * 3600.0  # after the last images, then the simulation ends whatever is left
SOON_S = 600.0  # a start takes up to seven minutes


@dataclass(frozen=True)
class Moment:
    """How it is at the end of a minute."""

    at: float
    backlog: float
    desired: int
    ready: int


@dataclass(frozen=True)
class Outcome:
    """What came of it; times in seconds."""

    images: int
    done: int
    p50: float
    p95: float
    p99: float
    moments: tuple[Moment, ...]
    actions: tuple[tuple[float, int, int], ...] = ()  # when, tasks before, tasks after
    hours: dict[Kind, float] | None = None
    lost_machines: int = 0
    cold_starts: int = 0

    @property
    def length_s(self) -> float:
        """Until the last image was done and nothing ran any more that would end by itself."""
        return self.moments[-1].at

    @property
    def most_waiting(self) -> float:
        """Images."""
        return max(it.backlog for it in self.moments)

    @property
    def flaps(self) -> int:
        """GPUs that were wanted and taken back within ten minutes: the start was for nothing."""
        return sum(a[2] > a[1] and b[2] < b[1] and b[0] - a[0] < SOON_S for a, b in pairwise(self.actions))


Rate = Callable[[], float]


class Run:
    """One simulation: the images come, `rate` says how fast they go."""

    def __init__(self, coming: Arrivals, rate: Rate, clock: Clock) -> None:
        self.clock, self.backlog, self.rate = clock, Backlog(), rate
        self.moments: list[Moment] = []
        self.coming = coming
        self.on_images: Callable[[], None] = lambda: None
        for at, images in coming:
            clock.at(at, partial(self._come, images))

    def go(self, minute: Callable[[], Moment], ended: Callable[[], bool]) -> None:
        """Until everything is done, or patience is at its end."""
        last = self.coming[-1][0]

        def tick() -> None:
            self.moments.append(minute())
            self.clock.after(MINUTE, tick)

        self.clock.at(MINUTE, tick)
        while self.clock.step(self._pass):
            over = self.clock.now > last and self.backlog.images == 0 and ended()
            if over or self.clock.now > last + PATIENCE_S:
                break

    def _pass(self, start: float, end: float) -> None:
        self.backlog.serve(start, end, self.rate())

    def _come(self, images: int) -> None:
        self.backlog.add(self.clock.now, images)
        self.on_images()


def through_servers(
    coming: Arrivals, policy: Policy, world: World, rate_of: Callable[[int], float], *, kind: Kind = "spot",
    ready_s: float = 0.0, seed: int = 0,
) -> Outcome:  # fmt: skip
    """Servers whose number a policy decides, behind the gate; `rate_of` says how fast so many of them are together."""
    clock = Clock()
    fleet = Fleet(clock, world, Random(seed), kind=kind)  # noqa: S311 - a simulation
    queue = QueueMetrics(world)
    gate = _Gate(clock, fleet, world)
    run = Run(coming, lambda: rate_of(fleet.ready) if gate.is_open else 0.0, clock)
    actions: list[tuple[float, int, int]] = []

    def minute() -> Moment:
        queue.record(clock.now, run.backlog.messages(clock.now, ready_s), polled=gate.is_open)
        for wanted in policy.decide(Seen(clock.now, queue, fleet.ready or None, fleet.desired)):
            actions.append((clock.now, fleet.desired, wanted))
            fleet.want(wanted)
        fleet.want(fleet.desired)  # what was lost, or could not be had a minute ago
        return Moment(clock.now, run.backlog.images, fleet.desired, fleet.ready)

    run.go(minute, lambda: (fleet.desired == 0 and fleet.empty) or kind == "on_demand")
    return _outcome(run, ready_s, tuple(actions), fleet.hours, fleet.lost)


def through_functions(
    coming: Arrivals, world: World, images_per_s: float, *, cold_s: float, at_once: int, ready_s: float
) -> Outcome:
    """The model inside the function: as many as are allowed, each after a cold start if none ran for a while."""
    clock = Clock()
    functions = _Functions(clock, world.function_idle_s, cold_s, at_once)
    run = Run(coming, lambda: images_per_s if functions.are_warm else 0.0, clock)
    run.on_images = lambda: functions.images_come(run.backlog.last_done_at)
    run.go(lambda: Moment(clock.now, run.backlog.images, 0, 0), lambda: True)
    return _outcome(run, ready_s, cold_starts=functions.starts)


def _outcome(
    run: Run, ready_s: float, actions: tuple[tuple[float, int, int], ...] = (), hours: dict[Kind, float] | None = None,
    lost: int = 0, cold_starts: int = 0,
) -> Outcome:  # fmt: skip
    p50, p95, p99 = (seconds + ready_s for seconds in quantiles(run.backlog.waits, (0.5, 0.95, 0.99)))
    return Outcome(
        images=sum(images for _, images in run.coming), done=round(run.backlog.done), p50=p50, p95=p95, p99=p99,
        moments=tuple(run.moments), actions=actions, hours=hours, lost_machines=lost,
        cold_starts=cold_starts,
    )  # fmt: skip


class _Gate:
    """Closed while no server answers; open some time after the first one does."""

    def __init__(self, clock: Clock, fleet: Fleet, world: World) -> None:
        self._clock, self._fleet, self._world = clock, fleet, world
        self._open_from = 0.0
        fleet.on_ready = self._ready

    @property
    def is_open(self) -> bool:
        """Whether images are handed out."""
        return self._fleet.ready > 0 and self._clock.now >= self._open_from

    def _ready(self) -> None:
        if self._fleet.ready == 1:
            self._open_from = self._clock.now + self._world.gate_opens_s
            self._clock.at(self._open_from, lambda: None)  # the rate changes then


class _Functions:
    """Processes of the function: all of them start anew when images come after a pause."""

    def __init__(self, clock: Clock, idle_s: float, cold_s: float, at_once: int) -> None:
        self._clock, self._idle_s, self._cold_s, self._at_once = clock, idle_s, cold_s, at_once
        self._warm_from = 0.0
        self._used_at = -math.inf
        self.starts = 0

    @property
    def are_warm(self) -> bool:
        """Whether they classify."""
        return self._clock.now >= self._warm_from

    def images_come(self, last_done_at: float) -> None:
        """Start them if they have been idle for too long."""
        now = self._clock.now
        if now - max(self._used_at, last_done_at) > self._idle_s:
            self._warm_from = now + self._cold_s
            self.starts += self._at_once
            self._clock.at(self._warm_from, lambda: None)  # the rate changes then
        self._used_at = now
