"""The reference, or what a test made of it, over HTTP in this process."""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.conformance.conversions import of_several_frames, sixteen_bit, transparent, turned
from tests.conformance.pictures import photo, usual_kinds
from tests.conformance.reference import MODEL, Reference, Reply
from tests.conformance.server import Server


@contextmanager
def running(reference: Reference) -> Iterator[Server]:
    """The reference, or what a test made of it, on a loopback port."""

    class Handler(_Handler):
        served = reference
        room = threading.Semaphore(reference.most_at_once)

    (
        photo(),
        usual_kinds(),
        turned(),
        transparent(),
        sixteen_bit(),
        of_several_frames(),
    )  # made before the clock of anybody runs
    with _HttpServer(("127.0.0.1", 0), Handler) as http:
        serving = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        try:
            yield Server(f"http://127.0.0.1:{http.server_port}", MODEL["name"], reference.token, patience_s=2.0)
        finally:
            http.shutdown()
            serving.join()


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """Who waited long enough has gone; anything else is an error of the test."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or an answer's body waits 40 ms for its headers to be acknowledged
    served: Reference
    room: threading.Semaphore

    def handle_one_request(self) -> None:
        self.connection.settimeout(self.served.headers_s)
        super().handle_one_request()

    def parse_request(self) -> bool:
        whole = super().parse_request()
        self.connection.settimeout(None)
        return whole

    def do_GET(self) -> None:
        self._reply(self.served.ping() if self.path == "/ping" else self.served.not_allowed("GET"))

    def do_POST(self) -> None:
        if refusal := self.served.door(self.command, dict(self.headers)):
            self._turn_away(refusal)
            return
        body = b"".join(self._pieces())
        if not self.served.answers_half_closed and self._is_half_closed():
            self.close_connection = True
            return
        if not self.room.acquire(blocking=False):
            self._reply(self.served.busy())
            return
        try:
            reply = self.served.answer(self.path, dict(self.headers), body)
        finally:
            self.room.release()
        self._reply(reply)

    do_PUT = do_POST  # noqa: N815 (the base class looks for this name)

    def _pieces(self) -> Iterator[bytes]:
        """A body, whether its length was announced or it comes in chunks."""
        left = int(self.headers.get("Content-Length", 0))
        while left and (piece := self.rfile.read1(min(2**20, left))):
            left -= len(piece)
            yield piece
        while "Content-Length" not in self.headers and (size := int(self.rfile.readline(), 16)):
            yield self.rfile.read(size)
            self.rfile.readline()
        if "Content-Length" not in self.headers:
            self.rfile.readline()

    def _is_half_closed(self) -> bool:
        time.sleep(0.05)  # for the end of what is sent to arrive
        try:
            return not self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False

    def _turn_away(self, refusal: Reply) -> None:
        """Respond before the body is read; the body is skipped then, or the sender might never see the response."""
        self.close_connection = True
        self._reply(refusal._replace(headers={**refusal.headers, "Connection": "close"}))
        self.connection.shutdown(socket.SHUT_WR)
        while self.rfile.read1(2**20):
            pass

    def _reply(self, reply: Reply) -> None:
        body = reply.document if isinstance(reply.document, bytes) else json.dumps(reply.document).encode()
        self.send_response(reply.status)
        headers = {"Content-Type": "application/json", "Content-Length": str(len(body)), **reply.headers}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class names it so)
        pass
