"""A limit on how many messages a second go to a queue."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator


class RateLimiter:
    """Spaces turns evenly, at most `per_s` a second; unused time is not made up for."""

    def __init__(
        self,
        per_s: float,
        *,
        now_s: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.per_s = per_s
        self._now_s, self._sleep = now_s, sleep
        self._next_s = now_s()

    def wait(self) -> None:
        """Return when the next turn comes."""
        now_s = self._now_s()
        if now_s < self._next_s:
            self._sleep(self._next_s - now_s)
        self._next_s = max(now_s, self._next_s) + 1 / self.per_s

    def each[Thing](self, things: Iterable[Thing]) -> Iterator[Thing]:
        """The same things, one a turn."""
        for thing in things:
            self.wait()
            yield thing
