"""A real HTTP server in this process that answers what a test tells it to, and counts."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import socket
from typing import NamedTuple

from tests.functions.factories import server_answer


class Reply(NamedTuple):
    status: int
    body: bytes
    then_hang_up: bool = False


class ModelServer(ThreadingHTTPServer):
    """`reply` maps a request's body to its reply; counts survive `reply` being exchanged."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.reply: Callable[[bytes], Reply] = lambda _: answering()
        self.paths: list[str] = []
        self.connections = 0
        self.at_once = 0
        self.most_at_once = 0
        self.counting = threading.Lock()
        self.hung_up = threading.Semaphore(0)  # once for every connection that was closed from this side

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def shutdown_request(self, request: socket | tuple[bytes, socket]) -> None:
        super().shutdown_request(request)
        self.hung_up.release()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that was not willing to wait has gone; anything else is an error of the test."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ModelServer

    def setup(self) -> None:
        super().setup()
        with self.server.counting:
            self.server.connections += 1

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with self.server.counting:
            self.server.paths.append(self.path)
            self.server.at_once += 1
            self.server.most_at_once = max(self.server.most_at_once, self.server.at_once)
        try:
            reply = self.server.reply(body)
        finally:
            with self.server.counting:
                self.server.at_once -= 1
        self.send_response(reply.status)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)
        self.close_connection = self.close_connection or reply.then_hang_up

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class names it so)
        pass


def answering() -> Reply:
    return Reply(200, server_answer().model_dump_json().encode())


@contextmanager
def running_model_server() -> Iterator[ModelServer]:
    with ModelServer() as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        try:
            yield server
        finally:
            server.shutdown()
            serving.join()
