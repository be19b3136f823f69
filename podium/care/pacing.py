"""At most so many a second."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

_Thing = TypeVar("_Thing")


class Pace:
    """Spaces turns evenly, `per_s` of them a second at most; time that nobody used is not made up for."""

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
        """Return when it is the next one's turn."""
        now_s = self._now_s()
        if now_s < self._next_s:
            self._sleep(self._next_s - now_s)
        self._next_s = max(now_s, self._next_s) + 1 / self.per_s

    def each(self, things: Iterable[_Thing]) -> Iterator[_Thing]:
        """The same things, each in its turn."""
        for thing in things:
            self.wait()
            yield thing
