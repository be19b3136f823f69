"""A real HTTP server in this process that sends the responses of a test, and counts."""

from __future__ import annotations

import io
import json
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import socket
from typing import Any, NamedTuple

from tests.functions.factories import server_answer


class Reply(NamedTuple):
    status: int
    body: bytes
    then_hang_up: bool = False
    retry_after: str | None = None


class ModelServer(ThreadingHTTPServer):
    """`reply` maps an image to its reply, `reply_to_tar` a request of many; counts survive these being exchanged."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.reply: Callable[[bytes], Reply] = lambda _: answering()
        self.reply_to_tar: Callable[[list[tuple[str, bytes]]], Reply] = lambda images: each(images, self.reply)
        self.tokens: set[str] = set()  # those that it knows; with none, it asks for none
        self.paths: list[str] = []
        self.images: list[int] = []  # of each request
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
        images = images_in(body)
        with self.server.counting:
            self.server.paths.append(self.path)
            self.server.images.append(len(images) or 1)
            self.server.at_once += 1
            self.server.most_at_once = max(self.server.most_at_once, self.server.at_once)
        known = {f"Bearer {token}" for token in self.server.tokens}
        try:
            if known and self.headers["Authorization"] not in known:
                reply = Reply(401, b'{"code": 401, "error": "No token that this server knows."}')
            else:
                reply = self.server.reply_to_tar(images) if images else self.server.reply(body)
        finally:
            with self.server.counting:
                self.server.at_once -= 1
        self.send_response(reply.status)
        self.send_header("Content-Length", str(len(reply.body)))
        if reply.retry_after is not None:
            self.send_header("Retry-After", reply.retry_after)
        self.end_headers()
        self.wfile.write(reply.body)
        self.close_connection = self.close_connection or reply.then_hang_up

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class names it so)
        pass


def answering() -> Reply:
    return Reply(200, server_answer().model_dump_json().encode())


def images_in(body: bytes) -> list[tuple[str, bytes]]:
    """The names and bytes of a tar's files, read as anyone reads them; none when the body is no tar."""
    if body[257:262] != b"ustar":
        return []
    with tarfile.open(fileobj=io.BytesIO(body), mode="r:") as tar:
        return [(entry.name, file.read()) for entry in tar if (file := tar.extractfile(entry))]


def each(images: list[tuple[str, bytes]], reply: Callable[[bytes], Reply]) -> Reply:
    """The reply to a tar, from the reply to each of its images."""
    return answers([entry_of(name, reply(data)) for name, data in images])


def entry_of(name: str, reply: Reply) -> dict[str, Any]:
    """An image's entry in the response to many, made from the response to that image alone."""
    document = json.loads(reply.body) if reply.status < 500 else {"error": reply.body.decode()}
    return {fact: value for fact, value in document.items() if fact != "model"} | {"name": name, "status": reply.status}


def answers(entries: list[dict[str, Any]]) -> Reply:
    model = server_answer().model.model_dump()
    return Reply(200, json.dumps({"model": model, "timings": {}, "answers": entries}).encode())


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
