"""How long the body of a request may take: a sender that stalls or trickles gives up its place."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Self

from proxy.http.held_bytes import Hold

BODY_S = 30.0
SLOWEST_BYTES_A_S = (
    4096  # a second more for so many bytes that have come: 10 MiB may take the whole of a request's time
)


class Pace:
    """While a body is read; it ends the request by its deadline, and says so in `too_slow`."""

    def __init__(self, deadline: asyncio.Timeout, hold: Hold, body_s: float) -> None:
        self.too_slow = False
        self._deadline, self._hold, self._body_s = deadline, hold, body_s
        self._loop = asyncio.get_running_loop()
        self._began_s = self._loop.time()
        self._timer = self._loop.call_at(self._began_s + body_s, self._look)

    def _look(self) -> None:
        until_s = self._began_s + self._body_s + self._hold.held_bytes / SLOWEST_BYTES_A_S
        if self._loop.time() < until_s:
            self._timer = self._loop.call_at(until_s, self._look)
            return
        self.too_slow = True
        with suppress(RuntimeError):  # it is expiring by itself
            self._deadline.reschedule(self._loop.time())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._timer.cancel()
