"""Whether the JPEGs within a TIFF have all their pixels: neither libtiff nor Pillow passes libjpeg's warnings on."""

from __future__ import annotations

from collections.abc import Iterator

from PIL.TiffImagePlugin import TiffImageFile

from inference.images.bombs import MAX_PIECES
from inference.images.jpegs import damage, frame_of, has_all_scans, with_its_end
from inference.images.tags import tiff_numbers

_WIDTH, _LENGTH, _ROWS, _TABLES = 256, 257, 278, 347
_STRIPS, _STRIP_BYTES, _TILE_WIDTH, _TILE_LENGTH, _TILES, _TILE_BYTES = 273, 279, 322, 323, 324, 325
_WHOLE, _WHOLE_BYTES = 513, 514  # the JPEG of which the strips of the old kind are parts: TIFF 6.0, section 22
_TAGS: tuple[int, ...] = (_WIDTH, _LENGTH, _ROWS, _STRIPS, _STRIP_BYTES)
_TAGS += (_TILE_WIDTH, _TILE_LENGTH, _TILES, _TILE_BYTES, _WHOLE, _WHOLE_BYTES)
_BEGINNING, _END = b"\xff\xd8", b"\xff\xd9"
_MORE_ROWS = 256  # below the picture, in its last strip: libtiff leaves them out; more would be a bomb

Numbers = dict[int, list[int]]


def damage_in_tiff(image: TiffImageFile, data: bytes) -> str | None:
    """What is missing in the pixels of an image of the file `data`, in a few words; None if nothing is, or without JPEGs."""
    match image.info.get("compression"):  # Pillow's names of 6 and 7
        case "tiff_jpeg":
            return _fault(_old_jpeg(_numbers(image, data), data) or b"")
        case "jpeg":
            tables = image.tag_v2.get(_TABLES)
            return next(_faults(_numbers(image, data), data, tables if isinstance(tables, bytes) else b""), None)
        case _:
            return None


def has_old_jpeg_in_parts(image: TiffImageFile, data: bytes) -> bool:
    """Whether it is a TIFF of the old kind of JPEG that is not in one place: nobody can say whether it is whole."""
    return image.info.get("compression") == "tiff_jpeg" and _old_jpeg(_numbers(image, data), data) is None


def _numbers(image: TiffImageFile, data: bytes) -> Numbers:
    return tiff_numbers(data, _TAGS, at_most=MAX_PIECES, directory=image.tag_v2.offset)


def _first(numbers: Numbers, tag: int, usual: int) -> int:
    return next(iter(numbers[tag]), usual)


def _old_jpeg(numbers: Numbers, data: bytes) -> bytes | None:
    """The JPEG that all strips are parts of, or that is the only strip; None if there is no such."""
    strips = list(zip(numbers[_STRIPS], numbers[_STRIP_BYTES], strict=False))
    first, end = min(strips, default=(0, 0))[0], max((place + size for place, size in strips), default=0)
    start = _first(numbers, _WHOLE, first)
    whole_end = start + _first(numbers, _WHOLE_BYTES, 0)
    is_one_strip = len(strips) == 1 and start == first
    if start > first or not (is_one_strip or end <= whole_end):
        return None
    jpeg = data[start : max(end, whole_end)]
    return jpeg if jpeg.startswith(_BEGINNING) and frame_of(jpeg) else None


def _faults(numbers: Numbers, data: bytes, tables: bytes) -> Iterator[str]:
    if tables.startswith(_BEGINNING) and _END in tables:
        tables = tables[len(_BEGINNING) : tables.rindex(_END)]
    for (place, size), (width, height, most) in zip(_pieces(numbers), _sides(numbers), strict=False):
        piece = data[place : place + size]
        jpeg = _BEGINNING + tables + piece.removeprefix(_BEGINNING)
        frame = frame_of(jpeg)
        if frame and not (width == frame.width and height <= frame.height <= most):
            yield f"a strip or tile of {width} x {height} pixels has a JPEG of {frame.width} x {frame.height}"
        elif fault := _fault(jpeg):
            yield fault


def _pieces(numbers: Numbers) -> Iterator[tuple[int, int]]:
    """The place and the size of each strip or tile."""
    tags = (_TILES, _TILE_BYTES) if numbers[_TILES] else (_STRIPS, _STRIP_BYTES)
    yield from zip(*(numbers[tag] for tag in tags), strict=False)


def _sides(numbers: Numbers) -> Iterator[tuple[int, int, int]]:
    """The width, the height and the largest height of the JPEG in each strip or tile, without an end."""
    width, length = _first(numbers, _WIDTH, 0), _first(numbers, _LENGTH, 0)
    if numbers[_TILES]:
        width, rows = _first(numbers, _TILE_WIDTH, width), _first(numbers, _TILE_LENGTH, length)
        tops, length = [0], rows
    else:
        rows = max(1, min(_first(numbers, _ROWS, length), length + _MORE_ROWS))
        tops = list(range(0, length, rows)) or [0]
    while True:
        for top in tops:
            yield width, min(rows, length - top), rows


def _fault(jpeg: bytes) -> str | None:
    frame = frame_of(jpeg)
    if frame is None or frame.is_arithmetic:
        return "its JPEG is of no kind that belongs there"
    return damage(with_its_end(jpeg)) if has_all_scans(jpeg) else "a scan is missing"
