"""What a file's first bytes say it is. No decoding, no I/O."""

from __future__ import annotations

import codecs

READABLE = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF")

_BEGINS_WITH = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"II+\x00", "TIFF"),  # BigTIFF
    (b"MM\x00+", "TIFF"),
    (b"\x00\x00\x01\x00", "an ICO icon"),
    (b"%PDF", "a PDF document"),
    (b"8BPS", "a Photoshop file"),
    (b"\xff\x0a", "a JPEG XL image"),
    (b"\x00\x00\x00\x0cJXL ", "a JPEG XL image"),
    (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 image"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 image"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
)
# The brand of an ISO media file, bytes 8 to 12: https://mp4ra.org/registered-types/brands
_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_AVIF_BRANDS = {b"avif", b"avis"}
_MARKUP = ((b"<svg", "an SVG drawing"), (b"<html", "a web page"), (b"<!doctype html", "a web page"))


def looks_like(data: bytes) -> str | None:
    """One of READABLE, or another kind of file in words (`a PDF document`), or None where the bytes say nothing."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp":
        return _iso_media(data[8:12])
    for beginning, kind in _BEGINS_WITH:
        if data.startswith(beginning):
            return kind
    return _text(data[:1024])


def _iso_media(brand: bytes) -> str:
    if brand in _HEIC_BRANDS:
        return "a HEIC photo"
    return "an AVIF image" if brand in _AVIF_BRANDS else "a video"


def _text(head: bytes) -> str | None:
    lowered = head.lower()
    for mark, kind in _MARKUP:
        if mark in lowered:
            return kind
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head)  # a letter may be cut at the end of `head`
    except UnicodeDecodeError:
        return None
    return "text" if text and all(letter.isprintable() or letter.isspace() for letter in text) else None
