"""Who decides how many tasks are wanted: the steps of the template, and target tracking with a wake, as it was before."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from benchmarks.scaling.metrics import QueueMetrics
from benchmarks.scaling.template import Scaling


@dataclass(frozen=True)
class Seen:
    """What a policy may know in a minute."""

    now: float
    queue: QueueMetrics
    running: int | None  # ECS's figures; there are none before the first task runs
    desired: int


class Policy(Protocol):
    """Decides once a minute."""

    def decide(self, seen: Seen) -> list[int]:
        """The tasks that are wanted, one after the other: each policy and alarm acts on its own."""
        ...


class Steps:
    """Every minute, each alarm that rings sets the capacity of its step; it may lower it only after its cooldown."""

    def __init__(self, scaling: Scaling) -> None:
        self._scaling = scaling
        self._changed_at = {alarm.name: -math.inf for alarm in scaling.alarms}

    def decide(self, seen: Seen) -> list[int]:
        """The tasks that are wanted, one after the other."""
        desired, decided = seen.desired, []
        for alarm in self._scaling.alarms:
            most = seen.queue.most(seen.now, alarm.window_s)
            wanted = None if most is None else alarm.wanted(most)
            if wanted is None:
                continue
            wanted = min(max(wanted, self._scaling.least_tasks), self._scaling.most_tasks)
            if wanted > desired or (wanted < desired and seen.now - self._changed_at[alarm.name] >= alarm.cooldown_s):
                desired, self._changed_at[alarm.name] = wanted, seen.now
                decided.append(wanted)
        return decided


class TrackingAndWake:
    """Before: target tracking of messages a running task, and a step from none to one for whoever is not seen to run.

    Its figures are those that gpu-stack.yaml had. A metric that is missing counted as 0.
    """

    TARGET, OUT_COOLDOWN_S, IN_COOLDOWN_S, WAKE_COOLDOWN_S = 2000.0, 60.0, 600.0, 60.0
    HIGH_PERIODS, LOW_PERIODS, LOW_SHARE = 3, 15, 0.9  # the alarms that target tracking makes

    def __init__(self, most_tasks: int) -> None:
        self._most = most_tasks
        self._out_at = self._in_at = self._woken_at = -math.inf
        self._history: list[float] = []

    def decide(self, seen: Seen) -> list[int]:
        """The tasks that are wanted, one after the other."""
        [messages] = seen.queue.last(seen.now, 1)
        backlog, running = messages or 0.0, seen.running or 0
        self._history.append(backlog / max(running, 1))
        tracked = self._tracked(seen.now, seen.desired)
        decided = [] if tracked == seen.desired else [tracked]
        asleep = backlog > 0 and not running
        if asleep and tracked != 1 and (tracked == 0 or seen.now - self._woken_at >= self.WAKE_COOLDOWN_S):
            self._woken_at = seen.now
            decided.append(1)
        return decided

    def _tracked(self, now: float, desired: int) -> int:
        high, low = self._history[-self.HIGH_PERIODS :], self._history[-self.LOW_PERIODS :]
        wanted = min(math.ceil(desired * self._history[-1] / self.TARGET), self._most)
        if len(high) == self.HIGH_PERIODS and min(high) > self.TARGET:
            if wanted > desired and now - self._out_at >= self.OUT_COOLDOWN_S:
                self._out_at = now
                return wanted
        elif len(low) == self.LOW_PERIODS and max(low) < self.LOW_SHARE * self.TARGET:
            blocked = now - max(self._in_at, self._out_at) < self.IN_COOLDOWN_S
            if wanted < desired and not blocked:
                self._in_at = now
                return wanted
        return desired


class Always:
    """So many tasks, whatever waits."""

    def __init__(self, tasks: int) -> None:
        self._tasks = tasks

    def decide(self, seen: Seen) -> list[int]:
        """The tasks that are wanted."""
        return [] if seen.desired == self._tasks else [self._tasks]
