"""The load client's HTTP: requests are built once, and only status and end of an answer are read."""

from __future__ import annotations

from typing import NamedTuple


class Request(NamedTuple):
    """One request as it goes over the wire, how many images it holds, and which of the photos is its first."""

    wire: bytes
    images: int = 1
    photo: int = 0


class Answer(NamedTuple):
    """The part of an answer that the loop reads."""

    status: int
    body: bytes
    closes: bool  # the server will close this connection
    later: bool = False  # it has a Retry-After header


class NotWhole(Exception):
    """An answer of which more bytes must come."""


def post(path: str, body: bytes, *, host: str = "127.0.0.1", content_type: str = "application/octet-stream") -> bytes:
    """A whole HTTP/1.1 request."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def parse(received: bytes | bytearray) -> Answer:
    """The answer in these bytes, by its length or by its chunks; raises NotWhole while more must come."""
    end = received.find(b"\r\n\r\n")
    if end < 0:
        raise NotWhole
    head = bytes(received[:end]).lower()
    status, closes, later = int(head[9:12]), b"\r\nconnection: close" in head, b"\r\nretry-after:" in head
    at = head.find(b"\r\ncontent-length:")
    if at >= 0:
        stop = head.find(b"\r\n", at + 2)
        size = int(head[at + 17 : stop if stop >= 0 else end])
        if len(received) < end + 4 + size:
            raise NotWhole
        return Answer(status, bytes(received[end + 4 : end + 4 + size]), closes, later)
    if b"\r\ntransfer-encoding: chunked" in head:
        return Answer(status, _chunks(received, end + 4), closes, later)
    return Answer(status, b"", closes, later)


def _chunks(received: bytes | bytearray, at: int) -> bytes:
    pieces: list[bytes] = []
    while True:
        line = received.find(b"\r\n", at)
        if line < 0:
            raise NotWhole
        size = int(bytes(received[at:line]).partition(b";")[0], 16)
        at = line + 2 + size + 2
        if len(received) < at:
            raise NotWhole
        if size == 0:
            return b"".join(pieces)
        pieces.append(bytes(received[line + 2 : line + 2 + size]))
