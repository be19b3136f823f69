"""The virtual clock, and who is next: the plan chooses among those that could run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count

from tests.functions.simulation.fibers import Fiber, Killed, always, nothing

MOST_STEPS = 300_000

Step = Callable[[], None]


class NeverEnds(AssertionError):
    """The world was still busy after more steps than any honest schedule takes."""


@dataclass
class Scheduler:
    """Time passes only when nobody could do anything at the present moment.

    Whoever has the baton decides who gets it next, and does itself what is no fiber's: that spares half of the changes
    from thread to thread, which are what a schedule's time goes to.
    """

    turns: Iterator[int]  # whose turn it is, of those that could run; the first one's, once these are used up
    others: Callable[[], list[Step]] = list  # what could be done beside the fibers' work
    now_s: float = 0.0
    fibers: list[Fiber] = field(default_factory=list)
    _main: Fiber = field(default_factory=lambda: Fiber(nothing))
    _holder: Fiber | None = None  # of the baton
    _working: bool = False  # the holder goes about its own work, not the world's
    _failure: BaseException | None = None
    _timers: list[tuple[float, int, Step]] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=count)
    _steps: int = 0

    def at(self, time_s: float, step: Step) -> None:
        heappush(self._timers, (max(time_s, self.now_s), next(self._numbers), step))

    def start(self, fiber: Fiber) -> None:
        fiber.hand_on = self._hand_on
        self.fibers.append(fiber)

    def kill(self, fiber: Fiber) -> None:
        fiber.kill(it_is_me=fiber is self._holder)

    @property
    def at_work(self) -> Fiber | None:
        return self._holder if self._working else None

    def pause(self) -> None:
        """The fiber at work lets another run, if it is another's turn."""
        self._wait(always)

    def sleep(self, seconds: float) -> None:
        """The fiber at work sleeps."""
        self.wait(lambda: False, seconds)

    def wait(self, until: Callable[[], bool], timeout_s: float | None = None) -> None:
        """The fiber at work waits, at most so long."""
        if until():
            return
        if timeout_s is None:
            self._wait(until)
        else:
            end_s = self.now_s + timeout_s
            self.at(end_s, nothing)
            self._wait(lambda: until() or self.now_s >= end_s)

    def run(self, is_over: Callable[[], bool]) -> None:
        """Go on until `is_over`, or until nobody will ever do anything again."""
        self._main.started, self._main.is_ready = True, is_over
        self._holder = self._main
        self._give_to(self._next(self._main), self._main)
        if self._failure is not None:
            raise self._failure

    def _wait(self, until: Callable[[], bool]) -> None:
        fiber = self.at_work
        if fiber is None:
            return
        fiber.die_if_killed()
        fiber.is_ready = until
        self._give_to(self._next(fiber), fiber)

    def _give_to(self, chosen: Fiber, mine: Fiber) -> None:
        self._holder, self._working = chosen, chosen is not self._main
        if chosen is not mine:
            chosen.give_baton()
            mine.await_baton()

    def _hand_on(self, ended: Fiber) -> None:
        """The fiber has ended; its thread gives the baton to another."""
        self._failure = self._failure or ended.error
        self._working = False
        chosen = (
            self._main
            if self._failure
            else self._next(ended, first=ended.on_killed if ended.killed_itself else nothing)
        )
        self._holder, self._working = chosen, chosen is not self._main
        chosen.give_baton()

    def _next(self, mine: Fiber, first: Step = nothing) -> Fiber:
        """Whose turn it is; what is no fiber's is done meanwhile, in the thread of `mine`."""
        self._working = False
        try:
            first()
            while not self._main.is_ready():
                chosen = self._choose()
                if isinstance(chosen, Fiber):
                    return chosen
                if chosen is None:
                    break
                chosen()
                if not mine.done:
                    mine.die_if_killed()
        except Killed:
            raise
        except BaseException as error:  # noqa: BLE001 (it is raised in the thread that started the world)
            self._failure = error
        return self._main

    def _choose(self) -> Fiber | Step | None:
        """None when nobody will ever do anything again."""
        self._steps += 1
        if self._steps > MOST_STEPS:
            raise NeverEnds(f"after {MOST_STEPS} steps, at {self.now_s:.0f} s")
        self.fibers = [fiber for fiber in self.fibers if not fiber.done]
        ready: list[Fiber | Step] = [fiber for fiber in self.fibers if fiber.could_run()]
        ready += self.others()
        if ready:
            return ready[next(self.turns, 0) % len(ready) if len(ready) > 1 else 0]
        if self._timers:
            self.now_s, _, step = heappop(self._timers)
            return step
        return None
