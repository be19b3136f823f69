"""What a file is, by its first bytes; its name does not count. No decoding, no I/O, nothing but the standard library.

`functions/pipeline/classify/formats.py` is a link to this file: the classify function's zip holds `functions/` alone
(`sam build` copies what a link points to), and one table decides what is an image for both.
"""

from __future__ import annotations

from codecs import getincrementaldecoder

HEAD_BYTES = 512  # of a file are enough
READABLE = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "HEIC", "AVIF")

_BEGINNINGS = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),  # BigTIFF
    (b"MM\0+", "TIFF"),
    (b"\xff\x0a", "a JPEG XL image"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL image"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 image"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 image"),
    (b"8BPS", "a Photoshop document"),
    (b"\0\0\1\0", "an ICO icon"),
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x1aE\xdf\xa3", "a video"),
)
_BITMAP_HEADER_SIZES = frozenset({12, 40, 52, 56, 64, 108, 124})  # Pillow reads these; "BM" alone also begins texts
_CONTAINERS = {b"WEBP": "WEBP", b"AVI ": "a video", b"WAVE": "a sound"}  # in RIFF, at byte 8
# In ISO media, at byte 8 and, after four bytes, in fours to the end of the box: https://mp4ra.org/registered-types/brands
_BRANDS = dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"), "HEIC")
_BRANDS |= dict.fromkeys((b"avif", b"avis"), "AVIF")
_ANY_CODEC = (b"mif1", b"msf1", b"miaf")  # of a picture: the other brands say which
_MARKUP = ((b"<svg", "an SVG drawing"), (b"<html", "a web page"), (b"<!doctype html", "a web page"))


def looks_like(data: bytes) -> str | None:
    """One of READABLE, or another kind of file in words (`a PDF document`), or None if the first bytes say nothing."""
    head = data[:HEAD_BYTES]
    if head.startswith(b"RIFF"):
        return _CONTAINERS.get(head[8:12], "a RIFF file")
    if head[4:8] == b"ftyp":
        return _in_iso_media(head)
    if head.startswith(b"BM") and int.from_bytes(head[14:18], "little") in _BITMAP_HEADER_SIZES:
        return "BMP"
    return next((kind for beginning, kind in _BEGINNINGS if head.startswith(beginning)), None) or _text(head)


def _in_iso_media(head: bytes) -> str:
    major, end = head[8:12], min(len(head), int.from_bytes(head[:4]))
    if major not in _ANY_CODEC:
        return _BRANDS.get(major, "a video")
    others = (head[place : place + 4] for place in range(16, end - 3, 4))
    return next((_BRANDS[brand] for brand in others if brand in _BRANDS), "HEIC")


def _text(head: bytes) -> str | None:
    lowered = head.lower()
    for tag, kind in _MARKUP:
        if tag in lowered:
            return kind
    try:
        text = getincrementaldecoder("utf-8")().decode(head)  # the last character may be cut
    except UnicodeDecodeError:
        return None
    return "text" if text and all(letter.isprintable() or letter.isspace() for letter in text) else None
