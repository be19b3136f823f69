"""Bodies that a sender compressed, by Content-Encoding: inflated piece by piece, so that a bomb is refused while it grows.

encodings.py is a link to inference/images/: a photo called gzip is to the server what it is to the pipeline.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator

from proxy.http.encodings import GZIP_ALONE, MOST_MEMBERS, Members, NotDecoded, is_compressed
from serving.requests import BadRequest

ACCEPTED = "gzip, deflate"
CODINGS = {"": None, "identity": None, "gzip": "gzip", "x-gzip": "gzip", "deflate": "deflate"}
STEP_BYTES = 2**16  # inflated at once
_CUT_SHORT = "The compressed body is cut short. Send it whole, or without Content-Encoding."


def coding_of(header: str | None) -> str | None:
    """`gzip` or `deflate`; None if the body comes as it is. Raises KeyError for another one, or several."""
    return CODINGS[(header or "").strip().lower()]


async def inflated(pieces: AsyncIterator[bytes], coding: str) -> AsyncIterator[bytes]:
    """The pieces of a body as they were before they were compressed; what is called gzip and does not begin so, as it is.

    Raises BadRequest if the compression cannot be undone.
    """
    head, members = b"", None
    async for piece in pieces:
        waiting = head + piece if members is None else piece
        if members is None:
            if len(waiting) < 2:  # bytes, which say what it is
                head = waiting
                continue
            if coding == "gzip" and not is_compressed(coding, waiting, is_image=False):
                yield waiting
                async for rest in pieces:
                    yield rest
                return
            members = Members(_window(coding, waiting))
        more = True
        while more:
            content, waiting = _undone(members, waiting, coding)
            if content:
                yield content
            more = bool(waiting) or len(content) == STEP_BYTES
    if members is None:
        if head:
            yield head
    elif not members.ended:
        raise BadRequest(_CUT_SHORT)


def _undone(members: Members, packed: bytes, coding: str) -> tuple[bytes, bytes]:
    try:
        return members.undo(packed, STEP_BYTES)
    except NotDecoded as error:
        raise BadRequest(f"The body is more than {MOST_MEMBERS:,} gzip streams. Compress it as one.") from error
    except zlib.error as error:
        raise BadRequest(
            f"The body is no {coding}, as Content-Encoding says it is, or damaged. Send it anew, or as it is."
        ) from error


def _window(coding: str, head: bytes) -> int:
    """zlib's number for a format. Deflate means zlib's header (RFC 9110, 8.4.1.2), which some senders leave out."""
    if coding == "gzip":
        return GZIP_ALONE
    return zlib.MAX_WBITS if head[0] & 0x0F == zlib.DEFLATED else -zlib.MAX_WBITS
