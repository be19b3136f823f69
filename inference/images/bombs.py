"""Decompression bombs: files that cost far more to read than their size and pixels suggest, found before decoding.

A picture of 50 million pixels costs some seconds and at most 1.2 GB. Of these, less than 1 MB cost up to minutes, or 2 GB.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from inference.images.tags import tiff_numbers

MAX_SCANS = 100  # of a JPEG: libtiff's limit, too; cameras write one, optimisers a dozen
MAX_PIECES = 250_000  # strips or tiles of a TIFF; 50 million pixels are in 195,313 of its smallest tiles
MAX_OVERLAP = 100  # times the file's size that its strips or tiles add up to; once in a sound file
PACKED_COSTS = 10  # Pillow unpacks a bitmap's run lengths in Python, 5 to 10 million pixels a second

_MARKER = re.compile(rb"\xff([^\x00\x01\xd0-\xd8\xff])")  # of a JPEG: the end, and those with their length after them
_SCAN, _END = b"\xda", b"\xd9"

# A TIFF's tags that matter here.
_STRIPS, _STRIP_BYTES, _TILE_WIDTH, _TILE_LENGTH, _TILES, _TILE_BYTES = 273, 279, 322, 323, 324, 325
_TAGS = (_STRIPS, _STRIP_BYTES, _TILE_WIDTH, _TILE_LENGTH, _TILES, _TILE_BYTES)

_RUN_LENGTHS = (1, 2)  # a bitmap's compression


def what_makes_it_a_bomb(kind: str, data: bytes, max_pixels: int) -> str | None:
    """What makes the file a bomb, as the rest of a sentence that begins with `The TIFF`; None if nothing does.

    `kind` is one of the formats that are read. Damage is not checked here: no bytes raise anything.
    """
    match kind:
        case "JPEG":
            return _in_jpeg(data)
        case "TIFF":
            return _in_tiff(data, max_pixels)
        case "BMP":
            return _in_bitmap(data, max_pixels)
        case _:
            return None


def _in_jpeg(data: bytes) -> str | None:
    """Every scan of a progressive JPEG goes over the whole picture, though it be 75 bytes long."""
    if data.count(b"\xff" + _SCAN) <= MAX_SCANS:  # most files, and in a millisecond
        return None
    scans = sum(marker == _SCAN for marker in _markers(data))
    return f"has {scans:,} scans, more than the limit of {MAX_SCANS}" if scans > MAX_SCANS else None


def _markers(data: bytes) -> Iterator[bytes]:
    """The markers of the first picture as a decoder meets them: not those inside of segments, as in a thumbnail."""
    place = 2
    while (found := _MARKER.search(data, place)) and found[1] != _END:
        yield found[1]
        place = found.end() + int.from_bytes(data[found.end() : found.end() + 2])


def _in_tiff(data: bytes, max_pixels: int) -> str | None:
    """A tile is decoded whole, however little of it is in the picture, and pieces are read, however many there are."""
    numbers = tiff_numbers(data, _TAGS, at_most=MAX_PIECES)
    for places, sizes in ((_STRIPS, _STRIP_BYTES), (_TILES, _TILE_BYTES)):
        if max(len(numbers[places]), len(numbers[sizes])) > MAX_PIECES:
            return f"is in more than {MAX_PIECES:,} pieces"
        if sum(min(size, len(data)) for size in numbers[sizes]) > MAX_OVERLAP * len(data):
            return f"uses its bytes more than {MAX_OVERLAP} times over"
    width, length = max(numbers[_TILE_WIDTH], default=0), max(numbers[_TILE_LENGTH], default=0)
    if width * length > max_pixels * 1.25:  # sides are multiples of 16, so that a tile may stick out of its picture
        return f"has tiles of {width} x {length} pixels, more than the limit of {max_pixels / 1e6:g} million"
    return None


def _in_bitmap(data: bytes, max_pixels: int) -> str | None:
    """The end of a line is two bytes of the file, and one step for every pixel that the line has left."""
    if len(data) < 34:
        return None
    header_size, width, height, compression = struct.unpack_from("<Iii4xI", data, 14)
    if header_size >= 40 and compression in _RUN_LENGTHS and abs(width * height) * PACKED_COSTS > max_pixels:
        limit = max_pixels / PACKED_COSTS / 1e6
        return f"is packed, and its {abs(width)} x {abs(height)} pixels are more than the limit of {limit:g} million"
    return None
