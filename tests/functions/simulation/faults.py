"""What befalls every effect, as the plan has it; and a record of all effects, by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import TypeVar

from tests.functions.simulation.effects import no_answer, refusal
from tests.functions.simulation.fibers import Killed
from tests.functions.simulation.plan import Fault, Kind
from tests.functions.simulation.scheduler import Scheduler

_T = TypeVar("_T")
STALL_S = 70.0  # longer than an invocation may last


class Faults:
    """Between any two effects another fiber may run; at any of them, something may go wrong."""

    def __init__(self, scheduler: Scheduler, planned: Iterable[Fault]) -> None:
        self._scheduler = scheduler
        self._planned = {(fault.effect, fault.nth): fault.kind for fault in planned}
        self.down: Counter[str] = Counter()  # services, by how many outages at this moment
        self.effects: Counter[str] = Counter()
        self.struck: Counter[tuple[str, Kind]] = Counter()  # those of the planned ones that took place
        self.late_effects = 0  # of threads that a frozen process had left unfinished
        self.trace: list[str] = []

    @property
    def now_s(self) -> float:
        return self._scheduler.now_s

    def sleep(self, seconds: float) -> None:
        self._scheduler.sleep(seconds)

    def stop(self) -> None:
        """From now on, nothing that was planned goes wrong."""
        self._planned.clear()

    def fault(self, name: str) -> Kind | None:
        """What befalls this effect, the nth of its name; the model server has its moods beside."""
        kind = self._planned.get((name, self.effects[name]))
        if kind:
            self.struck[name, kind] += 1
        elif self.down[name.partition(".")[0]]:
            kind = "refused"
        self.effects[name] += 1
        fiber = self._scheduler.at_work
        self.trace.append(
            f"{self.now_s:9.2f} s  {fiber.name if fiber else 'mapping':14}  {name}" + (f": {kind}" if kind else "")
        )
        return kind

    def effect(
        self,
        name: str,
        apply: Callable[[], _T],
        *,
        refused: Callable[[], Exception] | None = None,
        lost: Callable[[], Exception] | None = None,
    ) -> _T:
        """See `effects.Effects`."""
        self._scheduler.pause()
        fiber = self._scheduler.at_work
        self.late_effects += fiber is not None and fiber.is_late()
        match self.fault(name):
            case "killed before":
                raise Killed
            case "refused":
                raise refused() if refused else refusal(name)
            case "stalled":
                self.sleep(STALL_S)
            case "twice":
                apply()
            case "killed after":
                apply()
                raise Killed
            case "lost":
                apply()
                raise lost() if lost else no_answer(name)
        return apply()
