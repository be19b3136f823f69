"""A server of a few lines for the load client: it sends the response that the test gives, and keeps the bodies that it got."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@dataclass
class TinyServer:
    """Its address, and the bodies that it received."""

    address: tuple[str, int]
    bodies: list[bytes] = field(default_factory=list)


@contextmanager
def tiny_server(answer: Callable[[bytes], bytes | None]) -> Iterator[TinyServer]:
    """A server on loopback; `answer` makes the bytes for a request's body, None ends the connection without a response."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = TinyServer(listener.getsockname())
        accepting = threading.Thread(target=_accept, args=(listener, server, answer))
        accepting.start()
        try:
            yield server
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            accepting.join()


def _accept(listener: socket.socket, server: TinyServer, answer: Callable[[bytes], bytes | None]) -> None:
    threads = []
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            break
        threads.append(threading.Thread(target=_serve, args=(connection, server, answer)))
        threads[-1].start()
    for thread in threads:
        thread.join()


def _serve(connection: socket.socket, server: TinyServer, answer: Callable[[bytes], bytes | None]) -> None:
    with connection, connection.makefile("rb") as stream:
        while (body := _read(stream)) is not None:
            server.bodies.append(body)
            response = answer(body)
            if response is None:
                return
            connection.sendall(response)
            if b"Connection: close" in response:
                return


def _read(stream: object) -> bytes | None:
    size = 0
    try:
        while (line := stream.readline()) not in {b"", b"\r\n"}:  # type: ignore[attr-defined]
            name, _, value = line.partition(b":")
            size = int(value) if name.lower() == b"content-length" else size
        return stream.read(size) if line else None  # type: ignore[attr-defined]
    except ConnectionError:
        return None
