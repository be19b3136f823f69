"""What a file is, by its first bytes; its name does not count. No decoding, no I/O, nothing but the standard library.

`functions/pipeline/classify/formats.py` is a link to this file: the classify function's zip holds `functions/` alone
(`sam build` copies what a link points to), and one table decides what is an image for both.
"""

from __future__ import annotations

import re
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
    (b"FUJIFILMCCD-RAW", "a camera raw photo"),
    (b"IIRO", "a camera raw photo"),  # Olympus
    (b"IIRS", "a camera raw photo"),
    (b"IIU\0", "a camera raw photo"),  # Panasonic
    (b"%PDF", "a PDF document"),
    (b"%!PS", "a PostScript drawing"),
    (b"\xc5\xd0\xd3\xc6", "a PostScript drawing"),  # EPS with a preview
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x1aE\xdf\xa3", "a video"),
)
_BITMAP_HEADER_SIZES = frozenset({12, 40, 52, 56, 64, 108, 124})  # Pillow reads these; "BM" alone also begins texts
_CONTAINERS = {b"WEBP": "WEBP", b"AVI ": "a video", b"WAVE": "a sound"}  # in RIFF, at byte 8
# In ISO media, at byte 8 and, after four bytes, in fours to the end of the box: https://mp4ra.org/registered-types/brands
_BRANDS = dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"), "HEIC")
_BRANDS |= dict.fromkeys((b"avif", b"avis"), "AVIF")
_BRANDS |= {b"crx ": "a camera raw photo"}  # Canon's CR3
_ANY_CODEC = frozenset({b"mif1", b"mif2", b"msf1", b"miaf", b"1pic"})  # of a picture: the other brands say which
_OTHER_CODECS = dict.fromkeys((b"avci", b"avcs"), "AVC") | dict.fromkeys((b"vvic", b"vvis"), "VVC")
_OTHER_CODECS |= dict.fromkeys((b"evbi", b"evmi", b"evbs", b"evms"), "EVC") | {b"jpgs": "JPEG"}
_OTHER_CODECS |= dict.fromkeys((b"j2ki", b"j2is"), "JPEG 2000")
_VIDEOS = re.compile(rb"iso[m2-9]|mp41|avc1|qt  |M4[AV] |3g[2p]")  # major brands; mp42 says only how the file is built
_NETPBM = re.compile(rb"P[1-7]\s+(#|\d|WIDTH)|P[Ff]\s+\d")
_WHITE_SPACE = b" \t\r\n"
_TARGA_KINDS, _TARGA_DEPTHS = frozenset({1, 2, 3, 9, 10, 11}), frozenset({8, 15, 16, 24, 32})
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
    if _NETPBM.match(head):
        return "a Netpbm image (PPM, PGM, PBM)"
    return _by_beginning(head) or _behind_white_space(head) or _text(head) or _targa(head)


def _by_beginning(head: bytes) -> str | None:
    return next((kind for beginning, kind in _BEGINNINGS if head.startswith(beginning)), None)


def _behind_white_space(head: bytes) -> str | None:
    """An image that a program put blanks or an empty line before, as some do that send it by HTTP."""
    bare = head.lstrip(_WHITE_SPACE)
    kind = _by_beginning(bare) if bare != head else None
    return f"a {kind} with white space before it" if kind in READABLE else None


def _in_iso_media(head: bytes) -> str:
    """What a video is in the first place, or without any brand of a picture, is a video; else the first such brand decides."""
    end = min(len(head), int.from_bytes(head[:4]))
    brands = [head[8:12], *(head[place : place + 4] for place in range(16, end - 3, 4))]
    if _VIDEOS.match(brands[0]):
        return "a video"
    if read := next((_BRANDS[brand] for brand in brands if brand in _BRANDS), None):
        return read
    if codec := next((_OTHER_CODECS[brand] for brand in brands if brand in _OTHER_CODECS), None):
        return f"an HEIF image with {codec} inside"
    return "HEIC" if _ANY_CODEC.intersection(brands) else "a video"


def _targa(head: bytes) -> str | None:
    """It has no beginning of its own; checked last, and only for its name. Truevision TGA 2.0, header."""
    if len(head) < 18 or head[1] > 1 or head[2] not in _TARGA_KINDS or head[16] not in _TARGA_DEPTHS:
        return None
    has_map, width, height = bool(head[1]), int.from_bytes(head[12:14], "little"), int.from_bytes(head[14:16], "little")
    is_sound = has_map == (head[2] % 8 == 1) and has_map == any(head[3:8]) and not head[17] & 0xC0
    return "a TGA image" if is_sound and width and height else None


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
