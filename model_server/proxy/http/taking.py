"""How long a client may take a response: one that reads nothing is hung up on, as its connection could keep others out."""

from __future__ import annotations

import asyncio

from proxy.http.pace import SLOWEST_BYTES_A_S

RESPONSE_S = 30.0
STALLED_S = 1.0  # after which a connection whose client takes nothing is given to a new one, if room is needed


class Taking:
    """What of a response waits for its client's system to take it."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, response_s: float) -> None:
        transport.set_write_buffer_limits(high=0)  # writing is paused whenever anything waits
        self._transport, self._loop, self._response_s = transport, loop, response_s
        self._since_s: float | None = None
        self._waiting_bytes = 0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def stalls(self) -> bool:
        """Whether something has waited for a while."""
        return self._since_s is not None and self._loop.time() - self._since_s >= STALLED_S

    def begin(self) -> None:
        """Something waits from now on."""
        self._since_s = self._loop.time()
        self._wait()

    def end(self) -> None:
        """All of it is taken, or the connection is lost."""
        self._since_s = None
        if self._timer is not None:
            self._timer.cancel()

    def give_up(self) -> None:
        """Hang up at once: to close in order would wait for the client."""
        self.end()
        self._transport.abort()

    def _wait(self) -> None:
        self._waiting_bytes = self._transport.get_write_buffer_size()
        self._timer = self._loop.call_later(self._response_s, self._look)

    def _look(self) -> None:
        taken_bytes = self._waiting_bytes - self._transport.get_write_buffer_size()
        if taken_bytes < self._response_s * SLOWEST_BYTES_A_S:
            self.give_up()
        else:
            self._wait()
