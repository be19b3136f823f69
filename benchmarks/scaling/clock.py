"""Events in the order of their times; between two of them, nothing changes but the backlog."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count

Action = Callable[[], None]


class Clock:
    """Seconds since the beginning, and what will happen when."""

    def __init__(self) -> None:
        self.now = 0.0
        self._events: list[tuple[float, int, Action]] = []
        self._order = count()

    def at(self, when: float, action: Action) -> None:
        """Do something then; of two at the same time, the first that was scheduled comes first."""
        heapq.heappush(self._events, (max(when, self.now), next(self._order), action))

    def after(self, seconds: float, action: Action) -> None:
        """Do something so many seconds from now."""
        self.at(self.now + seconds, action)

    def step(self, passes: Callable[[float, float], None]) -> bool:
        """Let the time pass until the next event, which happens then; False if none is left."""
        if not self._events:
            return False
        when, _, action = heapq.heappop(self._events)
        passes(self.now, when)
        self.now = when
        action()
        return True
