"""A PNG without what is not its picture: notes, times, text and animations must not cost it.

PNG, 3rd edition, https://www.w3.org/TR/png-3/: a decoder may leave out every chunk whose name begins with a small letter.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from PIL import Image

_DEPTH_AT, _COLOURS_AT, _RGB = 24, 25, 2  # in the header, which comes first
_BEGINNING = b"\x89PNG\r\n\x1a\n"
_KNOWN = (b"IHDR", b"PLTE", b"IDAT", b"IEND")  # of those that a picture may not be read without
_PICTURE = (b"tRNS",)  # changes pixels; and every chunk that begins with a capital letter
_ABOUT_IT = (b"eXIf", b"iCCP")  # how to hold it, and what its colours are
_NOTES = (b"iTXt", b"tEXt", b"zTXt")
_PACKED = (b"zTXt", b"iCCP")
_ORIENTING_NOTES = (b"XML:com.adobe.xmp", b"Raw profile type exif", b"Raw profile type APP1")
_MAX_NOTE_BYTES = 1_000_000


def picture_alone(data: bytes) -> bytes:
    """The PNG with its picture and what says how to see it, and nothing else; damage stays as it is."""
    before, after = [], []
    place = len(_BEGINNING)
    for chunk, end in _chunks(data):
        name = chunk[4:8]
        if not name[0] & 0x20 or name in _PICTURE:
            after.append(chunk)
        elif _says_how_to_see_it(name, chunk):
            before.append(chunk)
        place = end
    return b"".join([data[: len(_BEGINNING)], *after[:1], *before, *after[1:], data[place:]])


def scale_clear_grey(image: Image.Image, data: bytes) -> None:
    """The grey that is clear, in 8 bits as the pixels: Pillow scales those of 2 and 4 bits, but not this one."""
    clear = image.info.get("transparency")
    if image.mode == "L" and isinstance(clear, int) and data[_DEPTH_AT] < 8:
        image.info["transparency"] = clear * 255 // (2 ** data[_DEPTH_AT] - 1)


def has_deep_clear_colour(image: Image.Image, data: bytes) -> bool:
    """Whether one colour of 3 x 16 bits is clear: of the pixels Pillow keeps 3 x 8, which other colours share."""
    return "transparency" in image.info and data[_COLOURS_AT] == _RGB and data[_DEPTH_AT] > 8


def unknown_chunk(data: bytes) -> str | None:
    """The name of a sound chunk that is part of the picture and of no PNG that is known, as Apple's `CgBI`."""
    for chunk, _ in _chunks(data):
        name = chunk[4:8]
        is_needed = name.isalpha() and not name[0] & 0x20 and name not in _KNOWN
        if is_needed and zlib.crc32(chunk[4:-4]) == int.from_bytes(chunk[-4:]):
            return name.decode()
    return None


def _says_how_to_see_it(name: bytes, chunk: bytes) -> bool:
    if name not in (*_ABOUT_IT, *_NOTES) or len(chunk) > _MAX_NOTE_BYTES:
        return False
    keyword, _, text = chunk[8:-4].partition(b"\0")
    matters = name in _ABOUT_IT or keyword in _ORIENTING_NOTES
    if not matters or zlib.crc32(chunk[4:-4]) != int.from_bytes(chunk[-4:]):
        return False
    if name in _PACKED:
        return _inflates(text[1:])
    return name != b"iTXt" or text[:1] == b"\0"  # a packed one is left out: XMP, as it is written, is none


def _inflates(packed: bytes) -> bool:
    inflater = zlib.decompressobj()
    try:
        return len(inflater.decompress(packed, _MAX_NOTE_BYTES)) < _MAX_NOTE_BYTES and inflater.eof
    except zlib.error:
        return False


def _chunks(data: bytes) -> Iterator[tuple[bytes, int]]:
    """The chunks that are in the file in full, each with the place where it ends."""
    place = len(_BEGINNING)
    while place + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, place)
        end = place + 12 + length
        if end > len(data):
            return
        yield data[place:end], end
        if data[place + 4 : place + 8] == b"IEND":
            return
        place = end
