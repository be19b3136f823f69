"""The probe picture: a valid image of our own, sent to find out whether TorchServe answers at all. No I/O."""

from __future__ import annotations

import struct
import zlib
from functools import cache

SIDE = 64  # pixels


@cache
def probe_picture() -> memoryview:
    """A PNG, 64 x 64 pixels, gray, darker towards the top: https://www.w3.org/TR/png/

    Made here, so that the proxy needs no image library.
    """
    rows = b"".join(b"\x00" + bytes([4 * y]) * SIDE for y in range(SIDE))
    header = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 0, 0, 0, 0)  # 8 bits, grayscale
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return memoryview(b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, content) for kind, content in chunks))


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
