"""Bodies that a sender compressed, by Content-Encoding: inflated piece by piece, so that a bomb is refused while it grows."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator

from serving.requests import BadRequest

ACCEPTED = "gzip, deflate"
CODINGS = {"": None, "identity": None, "gzip": "gzip", "x-gzip": "gzip", "deflate": "deflate"}
STEP_BYTES = 2**16  # inflated at once
MOST_MEMBERS = 1000  # of gzip streams behind each other; each costs time, though it may hold nothing
_CUT_SHORT = "The compressed body is cut short. Send it whole, or without Content-Encoding."


def coding_of(header: str | None) -> str | None:
    """`gzip` or `deflate`; None if the body comes as it is. Raises KeyError for another one, or several."""
    return CODINGS[(header or "").strip().lower()]


async def inflated(pieces: AsyncIterator[bytes], coding: str) -> AsyncIterator[bytes]:
    """The pieces of a body as they were before they were compressed. Raises BadRequest if that cannot be undone."""
    machine, members = None, 0
    async for piece in pieces:
        data, more = piece, bool(piece)
        while more:
            if machine is None:
                machine, members = zlib.decompressobj(_window(coding, data)), members + 1
            if members > MOST_MEMBERS:
                raise BadRequest(f"The body is {MOST_MEMBERS} gzip streams and more. Compress it as one.")
            try:
                out = machine.decompress(data, STEP_BYTES)
            except zlib.error as error:
                raise BadRequest(
                    f"The body is no {coding}, as Content-Encoding says it is, or damaged: {error}."
                ) from error
            if out:
                yield out
            data, more = machine.unconsumed_tail, bool(machine.unconsumed_tail) or len(out) == STEP_BYTES
            if machine.eof:
                data, machine = machine.unused_data, None
                more = bool(data)
    if machine is not None:
        raise BadRequest(_CUT_SHORT)


def _window(coding: str, head: bytes) -> int:
    """zlib's number for a format. Deflate means zlib's header (RFC 9110, 8.4.1.2), which some senders leave out."""
    if coding == "gzip":
        return 16 + zlib.MAX_WBITS
    return zlib.MAX_WBITS if head[0] & 0x0F == zlib.DEFLATED else -zlib.MAX_WBITS
