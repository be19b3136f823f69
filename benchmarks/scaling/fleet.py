"""The ECS service and its machines: a task needs a machine, and a machine needs minutes, Spot's mercy and dollars."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Literal

from benchmarks.scaling.clock import Clock
from benchmarks.scaling.world import World

Kind = Literal["spot", "on_demand"]
State = Literal["starting", "serving", "idle", "gone"]


@dataclass(eq=False)
class Machine:
    """One GPU; `starting` and `serving` are those of its task."""

    kind: Kind
    paid_from: float
    state: State = "starting"
    paid_to: float | None = None
    turn: int = 0  # counts changes: an event of an earlier turn comes too late


class Fleet:
    """As many tasks as are wanted, as soon as there are machines for them."""

    def __init__(self, clock: Clock, world: World, random: Random, *, kind: Kind = "spot") -> None:
        self.desired = 0
        self.machines: list[Machine] = []
        self.lost = 0
        self._clock, self._world, self._random, self._kind = clock, world, random, kind
        self._nothing_since: float | None = None  # wanted, and no machine there
        self.on_ready: Callable[[], None] = lambda: None
        for start, _ in world.droughts:
            clock.at(start, self._drought)

    @property
    def ready(self) -> int:
        """Tasks that classify."""
        return sum(it.state == "serving" for it in self.machines)

    @property
    def hours(self) -> dict[Kind, float]:
        """Paid hours of machines until now, of each kind."""
        paid: dict[Kind, float] = {"spot": 0.0, "on_demand": 0.0}
        for it in self.machines:
            ends = self._clock.now if it.paid_to is None else it.paid_to
            paid[it.kind] += max(0.0, ends - it.paid_from) / 3600
        return paid

    @property
    def empty(self) -> bool:
        """No machine is there or on its way."""
        return all(it.state == "gone" for it in self.machines)

    def want(self, tasks: int) -> None:
        """Start or stop tasks until there are so many; what cannot be had is tried again with the next call."""
        self.desired = tasks
        busy = [it for it in self.machines if it.state in ("starting", "serving")]
        busy.sort(key=lambda it: it.state == "starting")
        for machine in busy[tasks:]:
            self._idle(machine)
        for _ in range(tasks - len(busy)):
            self._start()
        wanted = tasks > 0 and self.empty
        self._nothing_since = (self._nothing_since or self._clock.now) if wanted else None

    def _start(self) -> None:
        world, clock = self._world, self._clock
        idle = next((it for it in self.machines if it.state == "idle"), None)
        if idle is not None:
            self._turn(idle, "starting")
            self._later(idle, world.warm_start_s, self._serve)
            return
        kind = self._available()
        if kind is None:
            return
        machine = Machine(kind, clock.now + world.capacity_provider_s)
        self.machines.append(machine)
        self._later(machine, self._random.uniform(*world.cold_start_s), self._serve)
        if kind == "spot" and world.spot_losses_per_hour:
            lives_s = self._random.expovariate(world.spot_losses_per_hour / 3600)
            clock.after(world.capacity_provider_s + lives_s, lambda: self._lose(machine))

    def _available(self) -> Kind | None:
        now, world = self._clock.now, self._world
        if self._kind == "on_demand" or not any(start <= now < end for start, end in world.droughts):
            return self._kind
        bought = sum(it.kind == "on_demand" and it.state != "gone" for it in self.machines)
        if world.fallback_after_s is None or self._nothing_since is None or bought >= world.fallback_machines:
            return None
        return "on_demand" if now - self._nothing_since >= world.fallback_after_s else None

    def _serve(self, machine: Machine) -> None:
        self._turn(machine, "serving")
        self.on_ready()

    def _idle(self, machine: Machine) -> None:
        self._turn(machine, "idle")
        self._later(machine, self._world.machine_lingers_s, self._end)

    def _end(self, machine: Machine) -> None:
        self._turn(machine, "gone")
        machine.paid_to = self._clock.now

    def _lose(self, machine: Machine) -> None:
        if machine.state != "gone":
            self.lost += 1
            self._end(machine)
            self.want(self.desired)

    def _drought(self) -> None:
        for machine in [it for it in self.machines if it.kind == "spot"]:
            self._lose(machine)

    def _turn(self, machine: Machine, state: State) -> None:
        machine.state = state
        machine.turn += 1

    def _later(self, machine: Machine, seconds: float, then: Callable[[Machine], None]) -> None:
        turn = machine.turn
        self._clock.after(seconds, lambda: then(machine) if machine.turn == turn else None)
