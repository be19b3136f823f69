"""The Content-Encoding of a stored photo, undone. Nothing but the standard library.

`functions/pipeline/classify/encodings.py` is a link to this file, as formats.py there is to its neighbour.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from gzip import BadGzipFile, GzipFile
from typing import Literal, Protocol

GZIP_MAGIC = b"\x1f\x8b"
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

    NotDecoded if it has more than `most_bytes`, is damaged, or ends too early, by then. What goes wrong with `rest` itself
    propagates.
    """
    try:
        with GzipFile(fileobj=Joined(head, rest), mode="rb") as content:  # type: ignore[call-overload]  # of a file it only reads
            yield _Bounded(content, most_bytes)
    except EOFError as error:
        raise NotDecoded(
            "unreadable", "The file is compressed with gzip and ends too early: upload it again."
        ) from error
    except (BadGzipFile, zlib.error) as error:
        raise NotDecoded(
            "unreadable", f"The file is compressed with gzip and damaged ({error}): upload it again."
        ) from error


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
                f"The file is compressed with gzip and unpacks to more than {self._most_bytes:,} bytes, the most that are "
                "read: upload a smaller copy.",
            )
        return part


class Joined:
    """Bytes that were read already, and then the rest."""

    def __init__(self, head: bytes, rest: Readable) -> None:
        self._head, self._rest = head, rest

    def read(self, size: int) -> bytes:
        part, self._head = self._head[:size], self._head[size:]
        return part or self._rest.read(size)
