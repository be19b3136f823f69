"""Bodies to send: photos, and what is no photo. Always the same bytes."""

from __future__ import annotations

import random
import struct
import zlib
from functools import cache

from PIL import Image

from tests.inference.images.pictures import encoded, heic, huge_png

TEXT = b"a letter, not a picture"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"></svg>'
PDF = b"%PDF-1.7\n1 0 obj\n"
ICON = b"\0\0\1\0\1\0\x10\x10" + bytes(64)
PNG_CHUNK = 12  # bytes of one that is empty, such as the last


@cache
def photo(number: int = 0) -> bytes:
    """A JPEG of soft coloured noise; another number, another one."""
    return encoded(_picture(number), "JPEG")


@cache
def usual_kinds() -> dict[str, bytes]:
    """A picture in every format and colour mode that people send."""
    picture = _picture(0)
    palette = picture.quantize(16)
    return {
        "gray JPEG": encoded(picture.convert("L"), "JPEG"),
        "CMYK JPEG": encoded(picture.convert("CMYK"), "JPEG"),
        "progressive JPEG": encoded(picture, "JPEG", progressive=True),
        "PNG": encoded(picture, "PNG"),
        "transparent PNG": encoded(picture.convert("RGBA"), "PNG"),
        "palette PNG": encoded(palette, "PNG"),
        "16-bit PNG": encoded(picture.convert("L").convert("I;16"), "PNG"),
        "GIF": encoded(palette, "GIF"),
        "WEBP": encoded(picture, "WEBP"),
        "BMP": encoded(picture, "BMP"),
        "TIFF": encoded(picture, "TIFF"),
        "HEIC": heic(picture),
        "AVIF": encoded(picture, "AVIF"),
    }


@cache
def too_many_pixels() -> bytes:
    """A valid black picture of 900 million pixels, in a few hundred kilobytes."""
    return huge_png(30_000, 30_000)


def of_size(size_bytes: int) -> bytes:
    """A valid PNG of just this many bytes, nearly all of them in a chunk that its readers pass over."""
    small = usual_kinds()["PNG"]
    filling = b"paDd" + bytes(size_bytes - len(small) - PNG_CHUNK)
    chunk = struct.pack(">I", len(filling) - 4) + filling + struct.pack(">I", zlib.crc32(filling))
    return small[:-PNG_CHUNK] + chunk + small[-PNG_CHUNK:]


def cut_short(number: int = 0) -> bytes:
    """A JPEG whose second half was lost on the way."""
    return photo(number)[: len(photo(number)) // 2]


def _picture(number: int) -> Image.Image:
    noise = Image.frombytes("RGB", (5, 4), random.Random(number).randbytes(5 * 4 * 3))
    return noise.resize((200, 160), Image.Resampling.BICUBIC)
