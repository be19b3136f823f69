"""Whether a JPEG has all its pixels: its end mark may be missing; what a decoder would fill in with grey may not.

The rule for all formats: a file is whole if the pixels of its first picture are all in it. What only says 'the end' may
be missing, and so may what comes after the picture.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import simplejpeg
from numpy.typing import NDArray

_END, _SCAN = b"\xff\xd9", b"\xff\xda"
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # https://www.w3.org/Graphics/JPEG/itu-t81.pdf, table B.1
_SEQUENTIAL, _PROGRESSIVE = frozenset({0xC0, 0xC1, 0xC3, 0xC9}), frozenset({0xC2, 0xCA})
_SCALABLE = frozenset({0xC0, 0xC1, 0xC2})
_ARITHMETIC = frozenset({0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF})
_MARKER = re.compile(rb"\xff[^\0\x01\xff\xd0-\xd8]")  # one that is more than a stuffed byte, a restart or a beginning
# libjpeg's warnings of missing or contradicting pixels. They have no code outside of it, only a text, and only the first
# is reported. Others say nothing about pixels: odd headers, and bytes that are left before the end, as cameras write them.
_DAMAGE = re.compile(r"premature end|bad \w+ code|instead of RST|bytes before marker 0xd[0-7]", re.IGNORECASE)


class Frame(NamedTuple):
    """The header of a picture: its marker's second byte, and its sides in pixels."""

    marker: int
    width: int
    height: int

    @property
    def is_arithmetic(self) -> bool:
        """Whether its pixels are in arithmetic codes: a decoder takes an early end of them for zeros, as it has to."""
        return self.marker in _ARITHMETIC


def frame_of(data: bytes) -> Frame | None:
    """The frame header before the first scan; None if there is none, or more than one."""
    frames = []
    for marker, content in _segments(data):
        if marker == _SCAN[1]:
            break
        if marker in _FRAMES:
            height, width = (int.from_bytes(content[place : place + 2]) for place in (1, 3))
            frames.append(Frame(marker, width, height))
    return frames[0] if len(frames) == 1 else None


def decoded(data: bytes, colours: str, *, min_height: int = 0, min_width: int = 0) -> NDArray[np.uint8]:
    """The pixels (H, W, channels); smaller than they are, down to these sides, if the JPEG is of a kind that can be.

    Of another kind libjpeg-turbo writes the whole picture into the memory for the smaller one. Check the size before.
    Raises ValueError for libjpeg's first error or warning.
    """
    frame = frame_of(data)
    if frame is None or frame.marker not in _SCALABLE:
        min_height = min_width = 0
    pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(
        data, colours, fastdct=False, fastupsample=False, min_height=min_height, min_width=min_width
    )
    return pixels


def with_its_end(data: bytes) -> bytes:
    """The JPEG with its end mark, if that is all it lacks; else the very bytes."""
    if data.endswith(_END) or data.rfind(_END) > data.rfind(_SCAN):
        return data
    ended = data.removesuffix(b"\xff") + _END
    return ended if has_all_scans(ended) and _complaint(ended) is None else data


def damage(data: bytes) -> str | None:
    """What is missing in the pixels, in libjpeg's words; None if the decoder comes to their end.

    It decodes at the smallest size that it can, in half of the whole picture's time, so ask it only about a JPEG that is
    suspected, and whose size was checked.
    """
    complaint = _complaint(data)
    return complaint if complaint and _DAMAGE.search(complaint) else None


def has_all_scans(data: bytes) -> bool | None:
    """Whether every component has all its coefficients, to the last bit: several scans may share them out.

    None if there is no frame of a kind that is known here.
    """
    missing: dict[int, set[int]] = {}
    is_known = is_progressive = False
    for marker, content in _segments(data):
        if marker in _SEQUENTIAL | _PROGRESSIVE:
            is_known, is_progressive = True, marker in _PROGRESSIVE
            missing = {number: set(range(64 if is_progressive else 1)) for number in content[6::3]}
        elif marker == _SCAN[1] and len(content) > 3:
            first, last, bits = content[-3:] if is_progressive else (0, 0, 0)  # some phones write others
            for number in content[1:-3:2]:
                if not bits & 15:
                    missing.get(number, set()).difference_update(range(first, last + 1))
            if not any(missing.values()):
                break  # in most files after the first scan, before its pixels
    return not any(missing.values()) if is_known else None


def _complaint(data: bytes) -> str | None:
    """The decoder's first error or warning; at the smallest size, for it reads all bytes anyway."""
    try:
        stored = simplejpeg.decode_jpeg_header(data)[2]  # RGB remains RGB, for a lossless JPEG can become nothing else
        colours = "CMYK" if stored in ("CMYK", "YCCK") else "RGB" if stored == "RGB" else "GRAY"
        decoded(data, colours, min_height=1, min_width=1)
    except ValueError as error:
        return str(error)
    return None


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Every marker of the first picture, with the bytes that its length covers."""
    place = 2
    while (found := _MARKER.search(data, place)) and found[0] != _END:
        start = found.end()
        length = int.from_bytes(data[start : start + 2])
        yield found[0][-1], data[start + 2 : start + length]
        place = start + max(2, length)
