"""A JPEG whose end mark is missing: whole if every pixel is there, cut short if not.

The rule for all formats: a file is whole if the pixels of its first picture are all in it. What only says 'the end' may
be missing, and so may what comes after the picture.
"""

from __future__ import annotations

from collections.abc import Iterator

import simplejpeg

_END, _SCAN = b"\xff\xd9", b"\xff\xda"
_FRAMES = frozenset({0xC0, 0xC1, 0xC2})
_NO_LENGTH = frozenset({0x00, 0x01, *range(0xD0, 0xD9)})


def with_its_end(data: bytes) -> bytes:
    """The JPEG with its end mark, if that is all it lacks; else the very bytes."""
    if data.endswith(_END) or data.rfind(_END) > data.rfind(_SCAN):
        return data
    ended = data.removesuffix(b"\xff") + _END
    return ended if _all_scans_are_in(ended) and _all_pixels_are_in(ended) else data


def _all_pixels_are_in(data: bytes) -> bool:
    """Whether the decoder comes to the end without a warning; at the smallest size, for it reads all bytes anyway."""
    try:
        colours = simplejpeg.decode_jpeg_header(data)[2]
        simplejpeg.decode_jpeg(data, "CMYK" if colours in ("CMYK", "YCCK") else "GRAY", min_height=1, min_width=1)
    except ValueError:
        return False
    return True


def _all_scans_are_in(data: bytes) -> bool:
    """Whether every component has all its coefficients, to the last bit: several scans may share them out."""
    missing: dict[int, set[int]] = {}
    for marker, content in _segments(data):
        if marker in _FRAMES:
            missing = {number: set(range(64)) for number in content[6::3]}
        elif marker == _SCAN[1] and len(content) > 3:
            first, last, bits = content[-3:]
            for number in content[1:-3:2]:
                if not bits & 15:
                    missing.get(number, set()).difference_update(range(first, last + 1))
    return bool(missing) and not any(missing.values())


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Every marker of the first picture, with the bytes that its length covers."""
    place = 2
    while (place := data.find(b"\xff", place)) >= 0 and place + 3 < len(data) and data[place : place + 2] != _END:
        marker = data[place + 1]
        if marker == 0xFF:
            place += 1
        elif marker in _NO_LENGTH:
            place += 2
        else:
            length = int.from_bytes(data[place + 2 : place + 4])
            yield marker, data[place + 4 : place + 2 + length]
            place += 2 + max(2, length)
