"""The picture that the gate sends as a probe: a valid image, made here. No I/O."""

from __future__ import annotations

import struct
import zlib
from functools import cache

SIDE = 64  # pixels


@cache
def probe_picture() -> bytes:
    """A PNG, 64 x 64 pixels, RGB: red grows to the right, green downwards, blue to the left.

    Made here, so that the zip carries no image library and no file: https://www.w3.org/TR/png/
    """
    step = 256 // SIDE
    to_the_right = bytes((step, 0, 256 - step)) * (
        SIDE - 1
    )  # filter 1, Sub: a pixel is its difference to the one before
    rows = [b"\x01" + bytes((0, y * step, 255)) + to_the_right for y in range(SIDE)]
    header = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0)  # 8 bits a colour, RGB
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"".join(rows))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, content) for kind, content in chunks)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
