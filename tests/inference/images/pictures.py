"""Pictures made by code, whose right way up and right colours are known."""

from __future__ import annotations

import io
import struct
import zlib

import pillow_heif
from PIL import Image, ImageCms

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
SIZE = (48, 32)  # wider than high, so that a turned picture shows it
ORIENTATION = 0x0112  # EXIF 2.32: how the camera was held, and so what makes the stored picture from the upright one
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
# A space whose primaries nobody could take for sRGB's.
GREEN_AND_RED_EXCHANGED = SRGB.replace(b"rXYZ", b"xXYZ", 1).replace(b"gXYZ", b"rXYZ", 1).replace(b"xXYZ", b"gXYZ", 1)
STORED_AS = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def corners() -> Image.Image:
    """Red at the top left, green at the top right, blue at the bottom left, white at the bottom right."""
    picture = Image.new("RGB", SIZE)
    for box, colour in (((0, 0), RED), ((24, 0), GREEN), ((0, 16), BLUE), ((24, 16), WHITE)):
        picture.paste(colour, (*box, box[0] + 24, box[1] + 16))
    return picture


def encoded(picture: Image.Image, file_format: str, **options: object) -> bytes:
    """The bytes of a file with this picture."""
    buffer = io.BytesIO()
    picture.save(buffer, file_format, **options)
    return buffer.getvalue()


def heic(picture: Image.Image, **options: object) -> bytes:
    """A HEIC file, as a phone makes it; the product itself only reads them."""
    buffer = io.BytesIO()
    heif = pillow_heif.from_pillow(picture if picture.mode in ("RGB", "RGBA", "L") else picture.convert("RGB"))
    for other in options.pop("append_images", []):  # type: ignore[attr-defined]
        heif.add_from_pillow(other)
    heif.save(buffer, **{"quality": 90, "chroma": 444, **options})
    return buffer.getvalue()


def jpeg(picture: Image.Image, **options: object) -> bytes:
    """A JPEG that keeps its colours to a few levels."""
    return encoded(picture, "JPEG", **{"quality": 95, "subsampling": 0, **options})


def seen_corners(picture: Image.Image) -> list[tuple[int, int, int]]:
    """The colours in the middles of the four quarters: top left, top right, bottom left, bottom right."""
    width, height = picture.size
    places = [(width // 4 + x * width // 2, height // 4 + y * height // 2) for y in (0, 1) for x in (0, 1)]
    return [colour for place in places if isinstance(colour := picture.getpixel(place), tuple)]  # type: ignore[misc]


def huge_png(width: int, height: int) -> bytes:
    """A valid black 1-bit PNG of any size, a few hundred bytes per million pixels."""
    packer, row = zlib.compressobj(9), bytes(1 + (width + 7) // 8)
    pixels = b"".join([*(packer.compress(row) for _ in range(height)), packer.flush()])
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
