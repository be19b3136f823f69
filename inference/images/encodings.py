"""The Content-Encoding of a stored photo, undone. Nothing but the standard library.

`functions/pipeline/classify/encodings.py` and `model_server/proxy/http/encodings.py` are links to this file: the functions'
zip and the server's container hold no inference/, and what is a compressed photo is decided once.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader, RawIOBase
from typing import Literal, Protocol

GZIP_MAGIC = b"\x1f\x8b"
GZIP_ALONE = 31  # zlib's window bits of a stream with gzip's header and sums, and of no other
PACKED_AT_ONCE = 2**16
MOST_MEMBERS = 1_000  # bgzip makes one of 64 KiB; half a million empty ones fit into 10 MiB, and take seconds
_PACKED = "The file is compressed with gzip"
NO_ENCODING = frozenset({"", "identity", "aws-chunked"})  # the last is how a request was sent, not what is stored
QUOTED_CHARACTERS = 60  # of a header, in a sentence about it

Fault = Literal["unsupported_format", "unreadable", "too_large"]


class NotDecoded(Exception):
    """The content cannot be had; the sentence says why and what to do."""

    def __init__(self, code: Fault, sentence: str) -> None:
        super().__init__(sentence)
        self.code: Fault = code


class Readable(Protocol):
    """What hands over bytes: so many at most, and none at its end."""

    def read(self, size: int, /) -> bytes: ...


def is_compressed(content_encoding: str | None, head: bytes, *, is_image: bool) -> bool:
    """Whether the content is gzip's; `head` are its first bytes, `is_image` whether they are those of an image.

    The bytes count more than the header: what is labelled gzip and does not begin so, and an image under any label, is
    taken as it is. NotDecoded for an encoding that is not undone here.
    """
    encodings = [it for part in (content_encoding or "").split(",") if (it := part.strip().lower()) not in NO_ENCODING]
    if not encodings or is_image:
        return False
    if encodings in (["gzip"], ["x-gzip"]):
        return head.startswith(GZIP_MAGIC)
    label = ascii(", ".join(encodings)[:QUOTED_CHARACTERS])
    raise NotDecoded(
        "unsupported_format",
        f"The object is stored with Content-Encoding {label}, and only gzip is undone: upload it without an encoding.",
    )


@contextmanager
def unpacked(head: bytes, rest: Readable, most_bytes: int) -> Iterator[Readable]:
    """The content of gzip bytes, of all their members; no more of it is ever unpacked than is read.

    NotDecoded if it has more than `most_bytes` or MOST_MEMBERS, is damaged, or ends too early, by then. What goes wrong
    with `rest` itself propagates.
    """
    try:
        yield _Bounded(BufferedReader(_Content(Joined(head, rest))), most_bytes)
    except EOFError as error:
        raise NotDecoded("unreadable", f"{_PACKED} and ends too early: upload it again.") from error
    except zlib.error as error:
        raise NotDecoded("unreadable", f"{_PACKED} and damaged: upload it again.") from error


class Members:
    """Members of gzip, undone as their bytes come. zlib checks their sums; the standard library's GzipFile would read any
    number of them.
    """

    def __init__(self, window_bits: int = GZIP_ALONE) -> None:
        self._window_bits = window_bits
        self._member, self._members = zlib.decompressobj(window_bits), 1

    @property
    def ended(self) -> bool:
        """Whether no member has begun and lacks its end."""
        return self._member.eof

    def undo(self, packed: bytes, most_bytes: int) -> tuple[bytes, bytes]:
        """At most so many bytes of content, and the packed bytes that wait behind them.

        Zeros behind a member are a tape's, and passed over. zlib.error for bytes that are damaged, NotDecoded for more
        than MOST_MEMBERS.
        """
        if self._member.eof:
            packed = packed.lstrip(b"\0")
            if not packed:
                return b"", b""
            self._begin_another()
        content = self._member.decompress(packed, most_bytes)
        return content, self._member.unconsumed_tail or self._member.unused_data

    def _begin_another(self) -> None:
        if self._members == MOST_MEMBERS:
            raise NotDecoded(
                "unreadable", f"{_PACKED} in more than {MOST_MEMBERS:,} parts: pack it anew and upload it again."
            )
        self._member, self._members = zlib.decompressobj(self._window_bits), self._members + 1


class _Content(RawIOBase):
    """The content of gzip bytes, as a file."""

    def __init__(self, packed: Readable) -> None:
        self._packed, self._waiting, self._members = packed, b"", Members()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # of a buffer it only needs a slice
        while True:
            packed = self._waiting or self._packed.read(PACKED_AT_ONCE)
            content, self._waiting = self._members.undo(packed, len(buffer))
            if content:
                buffer[: len(content)] = content
                return len(content)
            if not packed and self._members.ended:
                return 0
            if not packed:
                raise EOFError


class _Bounded:
    """Content that may have so many bytes."""

    def __init__(self, content: Readable, most_bytes: int) -> None:
        self._content, self._most_bytes, self._left = content, most_bytes, most_bytes

    def read(self, size: int) -> bytes:
        part = self._content.read(min(size, self._left + 1))
        self._left -= len(part)
        if self._left < 0:
            raise NotDecoded(
                "too_large",
                f"{_PACKED} and unpacks to more than {self._most_bytes:,} bytes, the most that are read: upload a smaller copy.",
            )
        return part


class Joined:
    """Bytes that were read already, and then the rest."""

    def __init__(self, head: bytes, rest: Readable) -> None:
        self._head, self._rest = head, rest

    def read(self, size: int) -> bytes:
        part, self._head = self._head[:size], self._head[size:]
        return part or self._rest.read(size)
