"""Connections of clients: how many, how long one may take to say what it wants and to take its response, and those that send
no more but still listen.

aiohttp reads requests; it waits as long for headers as it keeps an idle connection, and hangs up on who has closed only
its own side, as `nc -N` and some gateways do.
"""

from __future__ import annotations

import asyncio
import json
import resource
import socket
from collections.abc import Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, cast

from aiohttp import HttpVersion11, web
from aiohttp.http_exceptions import LineTooLong
from aiohttp.web_protocol import _ErrInfo

from proxy.http.replies import CLOSING, cut, reply
from proxy.http.taking import RESPONSE_S, Taking
from proxy.responses import server_error

HEADERS_S = 10.0
LINE_BYTES = 8190  # aiohttp's limit
LOOK_S = 0.25  # at a client that sends no more: is it still there?
OTHER_FILES = 256  # descriptors for TorchServe's connections, logs, libraries
_NO_LOG: dict[str, Any] = {"access_log": None}  # aiohttp allows it, and its types do not
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@dataclass(frozen=True)
class Limits:
    """How many connections are open at most, and the times for a request's headers and for a client that takes nothing."""

    connections: int = 1024
    headers_s: float = HEADERS_S
    keep_alive_s: float = 75.0
    response_s: float = RESPONSE_S


def limited_by_system(limits: Limits) -> Limits:
    """The limits, with as many connections as this process may open files; its own limit is raised as far as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = limits.connections + OTHER_FILES
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return replace(limits, connections=max(1, min(limits.connections, soft - OTHER_FILES)))


class Connection(web.RequestHandler):
    """One client's connection, as aiohttp's, with our limits."""

    __slots__ = ("_headers_handle", "_limits", "_served_before", "_speaks", "_taking")

    def __init__(self, server: web.Server, limits: Limits, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(server, loop=loop, auto_decompress=False, keepalive_timeout=limits.keep_alive_s, **_NO_LOG)
        self._limits = limits
        self._headers_handle: asyncio.TimerHandle | None = None
        self._served_before = 0  # requests, when the clock for headers began to run
        self._speaks = False  # some of a request has come
        self._taking: Taking | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Serve it, or say that there are too many; the first request's headers have their time from now on."""
        assert self._manager is not None
        others = self._manager.connections
        if len(others) >= self._limits.connections and not _make_room(others):
            self._force_close = True
            _turn_away(cast(asyncio.Transport, transport))  # uvloop's is no subclass of it
            return
        self._taking = Taking(cast(asyncio.Transport, transport), self._loop, self._limits.response_s)
        super().connection_made(transport)
        self._start_clock()

    @property
    def rests(self) -> bool:
        """Whether no whole request of it is here."""
        return self._waiter is not None and not self._waiter.done() and not self._force_close

    @property
    def owes_headers(self) -> bool:
        """Whether the clock for a request's headers runs."""
        return self.rests and self._headers_handle is not None and self._request_count == self._served_before

    @property
    def takes_nothing(self) -> bool:
        """Whether its client leaves a response, or the rest of one, where it is."""
        return self._taking is not None and self._taking.stalls

    def pause_writing(self) -> None:
        """As aiohttp's; the client has its time to take what waits."""
        super().pause_writing()
        if self._taking is not None:
            self._taking.begin()

    def resume_writing(self) -> None:
        """As aiohttp's."""
        super().resume_writing()
        if self._taking is not None:
            self._taking.end()

    def give_up(self) -> None:
        """Hang up, whatever waits to be sent."""
        if self._taking is not None:
            self._taking.give_up()
        self.force_close()

    def connection_lost(self, exc: BaseException | None) -> None:
        """As aiohttp's."""
        if self._taking is not None:
            self._taking.end()
        if self._headers_handle is not None:
            self._headers_handle.cancel()
            self._headers_handle = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """As aiohttp's; part of a request's headers starts the clock for the rest of them."""
        super().data_received(data)
        self._end_broken_body()
        if self.rests:
            if not self.owes_headers:
                self._start_clock()
            self._speaks = True

    def _end_broken_body(self) -> None:
        """Tell the request that is being read that its body cannot go on: aiohttp keeps the error for after its response."""
        request, last = self._current_request, self._messages[-1][0] if self._messages else None
        if request is not None and isinstance(last, _ErrInfo) and not request.content.is_eof():
            request.content.set_exception(web.RequestPayloadError("its chunks are broken"))
            request.content.feed_eof()

    def eof_received(self) -> bool | None:  # type: ignore[override] # aiohttp's says that it always hangs up
        """Keep the connection of a client that sent a whole request and closed its own side, until it has its response.

        One that has gone altogether looks the same until something is sent to it: an interim response, which every client
        passes over, makes its system say so.
        """
        request = self._current_request
        body = self._messages[-1][1] if self._messages else (request.content if request is not None else None)
        if body is None or not body.is_eof():
            return None
        if request is not None and request.version >= HttpVersion11 and self.transport is not None:
            self.transport.write(CONTINUE)
        self._look_at_listener()
        return True

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """As aiohttp's, with a body in JSON: for a request that cannot be read, and for a fault of this server."""
        super().handle_error(request, status, exc, message)  # which logs it
        if isinstance(exc, LineTooLong):
            status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
        return reply(status, server_error(status, _sentence(status, message)), CLOSING)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """As aiohttp's, whose own refusals become JSON: of a target that is no path of ours, of an unknown expectation."""
        if isinstance(resp, web.HTTPException):
            resp = _in_json(request, resp)
        return await super().finish_response(request, resp, start_time)

    def _look_at_listener(self) -> None:
        """Hang up once all that was sent is answered, or the client is gone."""
        if self.transport is None:
            return
        peer = self.transport.get_extra_info("socket")
        if peer.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self.transport.abort()
        elif self._messages or self._request_in_progress:
            if not self._messages:
                self.close()  # after the response that is under way
            self._loop.call_later(LOOK_S, self._look_at_listener)
        else:
            self.force_close()

    def _start_clock(self) -> None:
        if self._headers_handle is not None:
            self._headers_handle.cancel()
        self._served_before, self._speaks = self._request_count, False
        self._headers_handle = self._loop.call_later(self._limits.headers_s, self._check_headers)

    def _check_headers(self) -> None:
        """Hang up on a client whose request's headers have not come in time."""
        late = self.owes_headers
        self._headers_handle = None
        if not late or self.transport is None:
            return
        if self._speaks:
            sentence = f"The request's headers did not come within {self._limits.headers_s:g} s."
            self.transport.write(_raw(408, sentence))
        self.force_close()


class Site(web.TCPSite):
    """aiohttp's listening socket, whose connections are ours."""

    def __init__(self, runner: web.AppRunner, host: str, port: int, limits: Limits) -> None:
        super().__init__(runner, host, port, backlog=1024)
        self._limits = limits

    async def start(self) -> None:
        """Listen."""
        await web.BaseSite.start(self)
        server, loop = self._runner.server, asyncio.get_running_loop()
        assert server is not None
        self._server = await loop.create_server(
            lambda: Connection(server, self._limits, loop), self._host, self._port, backlog=self._backlog
        )
        self._bound_port = self._server.sockets[0].getsockname()[1]


async def listen(app: web.Application, host: str, port: int, limits: Limits | None = None) -> tuple[web.AppRunner, int]:
    """Serve an application; the port is a free one for port 0. `cleanup` of the runner ends it."""
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=5.0)
    await runner.setup()
    site = Site(runner, host, port, limits or Limits())
    await site.start()
    return runner, site.port


def _in_json(request: web.BaseRequest, refusal: web.HTTPException) -> web.Response:
    match refusal.status:
        case HTTPStatus.NOT_FOUND:
            sentence = f"There is no {cut(request.method)} {cut(request.path or request.raw_path)} here."
        case HTTPStatus.EXPECTATION_FAILED:
            sentence = f"Expect: {cut(request.headers.get('Expect', ''))} is not understood. Leave it out."
        case _:
            sentence = f"{refusal.reason}."
    allow = {"Allow": refusal.headers["Allow"]} if "Allow" in refusal.headers else None
    return reply(refusal.status, server_error(refusal.status, sentence), allow)


def _sentence(status: int, message: str | None) -> str:
    """What went wrong with a request that never came as far as a path; `message` is aiohttp's, and quotes the request."""
    match status:
        case HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE:
            return f"The request's first line or a header is longer than {LINE_BYTES:,} bytes. Shorten it."
        case HTTPStatus.BAD_REQUEST:
            why = cut((message or "Bad request").partition("\n")[0].rstrip(":. "))
            return f"The request cannot be read as HTTP: {why}. Send plain HTTP/1.1, such as POST /predictions/NAME."
        case _:
            return "The server could not answer this request; its log says why."


def _make_room(connections: Sequence[web.RequestHandler]) -> bool:
    """Hang up on the oldest connection whose client takes nothing of its response, else on the oldest that owes a request's
    headers, else on the oldest that rests: a client sends its request and reads its response at once, so thousands that do
    not keep nobody out. False if all of them are being served.
    """
    ours = [it for it in connections if isinstance(it, Connection)]
    idle = [it for it in ours if it.takes_nothing] or [it for it in ours if it.owes_headers]
    first = next(iter(idle), None) or next((it for it in ours if it.rests), None)
    if first is not None:
        first.give_up()
    return first is not None


def _turn_away(transport: asyncio.Transport) -> None:
    transport.write(_raw(503, "Too many connections are open.", "Retry-After: 1\r\n"))
    transport.close()


def _raw(status: int, sentence: str, more: str = "") -> bytes:
    """A response outside of any request."""
    body = json.dumps(server_error(status, sentence)).encode()
    head = f"HTTP/1.1 {status} {server_error(status, '')['type']}\r\nContent-Type: application/json\r\n{more}"
    return f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body
