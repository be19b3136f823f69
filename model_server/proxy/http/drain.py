"""Open requests, and draining: everything admitted is answered, within a time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Drain:
    """The requests that are open, each with the deadline of its answer."""

    def __init__(self) -> None:
        self.draining = False
        self._open: set[asyncio.Timeout] = set()
        self._empty = asyncio.Event()
        self._empty.set()
        self._hurry = asyncio.Event()

    @property
    def open_requests(self) -> int:
        """How many were admitted and have no answer yet."""
        return len(self._open)

    @contextmanager
    def admitted(self, deadline: asyncio.Timeout) -> Iterator[None]:
        """While a request is read and answered."""
        self._open.add(deadline)
        self._empty.clear()
        try:
            yield
        finally:
            self._open.discard(deadline)
            if not self._open:
                self._empty.set()

    def begin(self) -> None:
        """Admit nothing from now on."""
        self.draining = True

    def hurry(self) -> None:
        """Wait no longer."""
        self._hurry.set()

    async def finish(self, within_s: float) -> int:
        """Wait until all requests are answered, at most so long; the others get a 503. Returns how many those were."""
        waits = {asyncio.create_task(event.wait()) for event in (self._empty, self._hurry)}
        await asyncio.wait(waits, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        now = asyncio.get_running_loop().time()
        cut = len(self._open)
        for deadline in self._open:
            with suppress(RuntimeError):  # it is expiring by itself
                deadline.reschedule(now)
        await self._empty.wait()
        return cut
