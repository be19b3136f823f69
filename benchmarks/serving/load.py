"""A closed loop of clients over kept connections, in one thread: each sends its next request when it has its answer.

requests, made beforehand -> epoll -> answers, their status and their times

It must use next to nothing of the machine it measures: plain sockets, bytes that are built once, and of an answer only
its status and its end are read.
"""

from __future__ import annotations

import select
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from benchmarks.serving.wire import Answer, NotWhole, Request, parse

CONNECT_TIMEOUT_S = 5.0
SEND_BUFFER_BYTES = 1 << 20  # a photo goes out in one call
READ_BYTES = 1 << 16
POLL_S = 0.1


@dataclass
class Outcome:
    """The answers within the window."""

    seconds: float = 0.0
    images: int = 0  # in requests that were answered 200
    latencies_ms: list[float] = field(default_factory=list)  # of requests that were answered 200
    statuses: Counter[int] = field(default_factory=Counter)
    cut: int = 0  # requests whose connection ended before their answer did
    refused: int = 0  # connections that nobody accepted
    unanswered: int = 0  # requests that were still on their way when the time was up
    client_cpu_s: float = 0.0
    bodies: dict[int, bytes] = field(default_factory=dict)  # the last 200 for each photo


class _Client:
    """One connection and the request that is on its way over it."""

    __slots__ = ("began", "received", "request", "rest", "socket", "waits_to_send")

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address, timeout=CONNECT_TIMEOUT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        self.socket.setblocking(False)
        self.received = bytearray()
        self.rest = memoryview(b"")
        self.request = Request(b"")
        self.began = 0.0
        self.waits_to_send = False

    def begin(self, request: Request) -> None:
        self.request, self.rest = request, memoryview(request.wire)
        self.received.clear()
        self.began = time.perf_counter()
        self.send()

    def send(self) -> None:
        with suppress(BlockingIOError):
            while self.rest:
                self.rest = self.rest[self.socket.send(self.rest) :]

    def receive(self) -> Answer | None:
        """The whole answer; None while more must come. Raises ConnectionError if the server closed the connection before."""
        with suppress(BlockingIOError):
            data = self.socket.recv(READ_BYTES)
            if not data:
                raise ConnectionResetError
            self.received += data
        with suppress(NotWhole):
            return parse(self.received)
        return None


class ClosedLoop:
    """`clients` connections to `address`, each with one request of `requests` on its way, until these or the time end."""

    def __init__(
        self, address: tuple[str, int], requests: Iterable[Request], *, clients: int, heeds_retry_after: bool = False
    ) -> None:
        """A client that heeds Retry-After sends nothing more within this loop after an answer that has one."""
        self.address = address
        self.heeds_retry_after = heeds_retry_after
        self.requests: Iterator[Request] = iter(requests)
        self.outcome = Outcome()
        self._open: dict[int, _Client] = {}
        self._missing = clients  # connections to make
        self._poll = select.epoll()

    def run(self, *, warm_s: float = 0.0, seconds: float, around: Callable[[], None] = lambda: None) -> Outcome:
        """The answers within `seconds`, after `warm_s` that do not count; requests that are then on their way are abandoned.

        `around` is called when the counted seconds begin and when they end.
        """
        try:
            self._loop(time.perf_counter() + warm_s)
            around()
            self._counted(seconds)
            around()
            return self.outcome
        finally:
            for client in self._open.values():
                client.socket.close()
            self._poll.close()

    def _counted(self, seconds: float) -> None:
        self.outcome = Outcome()
        began, cpu = time.perf_counter(), time.thread_time()
        self._loop(began + seconds)
        self.outcome.unanswered = len(self._open)
        self.outcome.seconds = time.perf_counter() - began
        self.outcome.client_cpu_s = time.thread_time() - cpu

    def _loop(self, until: float) -> None:
        while (self._open or self._missing) and (now := time.perf_counter()) < until:
            while self._missing:
                self._missing -= 1
                self._connect()
            for number, events in self._poll.poll(min(POLL_S, until - now)):
                self._step(self._open[number], events)

    def _step(self, client: _Client, events: int) -> None:
        try:
            if client.rest and events & select.EPOLLOUT:
                client.send()
                self._await(client)
            answer = client.receive() if events & ~select.EPOLLOUT else None
        except ConnectionError:
            self.outcome.cut += 1
            self._leave(client, again=True)
            return
        if answer is not None:
            self._count(client, answer)
            heeded = self.heeds_retry_after and answer.later
            if answer.closes or heeded:
                self._leave(client, again=not heeded)
            else:
                self._send_next(client)

    def _count(self, client: _Client, answer: Answer) -> None:
        self.outcome.statuses[answer.status] += 1
        if answer.status == 200:
            self.outcome.latencies_ms.append((time.perf_counter() - client.began) * 1000)
            self.outcome.images += client.request.images
            self.outcome.bodies[client.request.photo] = answer.body

    def _send_next(self, client: _Client) -> None:
        request = next(self.requests, None)
        if request is None:
            self._leave(client)
            return
        try:
            client.begin(request)
        except ConnectionError:
            self.outcome.cut += 1
            self._leave(client, again=True)
            return
        self._await(client)

    def _await(self, client: _Client) -> None:
        if bool(client.rest) != client.waits_to_send:
            client.waits_to_send = not client.waits_to_send
            self._poll.modify(client.socket, select.EPOLLIN | (select.EPOLLOUT if client.waits_to_send else 0))

    def _leave(self, client: _Client, *, again: bool = False) -> None:
        del self._open[client.socket.fileno()]
        client.socket.close()  # which also takes it from epoll
        self._missing += again

    def _connect(self) -> None:
        try:
            client = _Client(self.address)
        except OSError:
            self.outcome.refused += 1
            return
        self._open[client.socket.fileno()] = client
        self._poll.register(client.socket, select.EPOLLIN)
        self._send_next(client)
