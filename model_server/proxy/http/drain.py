"""Open requests, and draining: everything admitted is answered, within a time."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from types import TracebackType


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

    def admitted(self, deadline: asyncio.Timeout) -> Admission:
        """A context: while a request is read and answered."""
        return Admission(self, deadline)

    def enter(self, deadline: asyncio.Timeout) -> None:
        """A request is open from now on."""
        self._open.add(deadline)
        self._empty.clear()

    def leave(self, deadline: asyncio.Timeout) -> None:
        """It has its answer."""
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


class Admission:
    """One open request; a class, because a generator's context takes 2 us of each."""

    __slots__ = ("_deadline", "_drain")

    def __init__(self, drain: Drain, deadline: asyncio.Timeout) -> None:
        self._drain, self._deadline = drain, deadline

    def __enter__(self) -> None:
        self._drain.enter(self._deadline)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._drain.leave(self._deadline)
