"""What kind of TIFF, JPEG or bitmap a sound file is that is not read: the sentence must not call it damaged."""

from __future__ import annotations

import struct

from PIL import Image, TiffImagePlugin

from inference.images.pngs import has_deep_clear_colour, unknown_chunk
from inference.images.tags import tiff_numbers
from inference.images.tiff_jpegs import has_old_jpeg_in_parts

_WIDTH, _LENGTH, _BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLES, _PLANES = 256, 257, 258, 259, 262, 277, 284
_EXTRA, _FORM = 338, 339
_MOST, _LARGEST = 281, 341  # MaxSampleValue and SMaxSampleValue
_DEPTHS = frozenset(2**bits - 1 for bits in range(9, 16))
_PIECES = ((273, 279), (324, 325))  # places and sizes of strips, and of tiles
_TAGS = (
    _WIDTH,
    _LENGTH,
    _BITS,
    _COMPRESSION,
    _PHOTOMETRIC,
    _SAMPLES,
    _PLANES,
    _EXTRA,
    _FORM,
    _MOST,
    _LARGEST,
    *_PIECES[0],
    *_PIECES[1],
)
_SEEN = 1000  # numbers of one tag
_MAX_BITS = 64
_IN_PLANES = ("RGB", "RGBA", "CMYK", "YCbCr", "LAB")  # modes of several samples

_COLOURS = {
    0: "grey with white at 0",
    1: "grey",
    2: "RGB",
    3: "palette",
    4: "mask",
    5: "CMYK",
    6: "YCbCr",
    8: "Lab",
    9: "Lab",
    10: "Lab",
}
_COLOURS |= {32803: "raw sensor", 32844: "LogL", 32845: "LogLuv", 34892: "raw sensor"}
_FORMS = {1: "", 2: "signed ", 3: "float ", 4: "", 5: "complex ", 6: "complex "}
_JPEG, _WEBP = 7, 50001
_COMPRESSIONS = {
    1: "",
    2: "CCITT",
    3: "CCITT",
    4: "CCITT",
    5: "LZW",
    6: "old JPEG",
    _JPEG: "JPEG",
    8: "deflate",
    32773: "PackBits",
}
_COMPRESSIONS |= {
    32946: "deflate",
    33003: "JPEG 2000",
    33004: "JPEG 2000",
    33005: "JPEG 2000",
    34676: "SGI",
    34677: "SGI",
}
_COMPRESSIONS |= {34712: "JPEG 2000", 34887: "LERC", 34892: "JPEG", 34925: "LZMA", 34933: "PNG", 34934: "JPEG XR"}
_COMPRESSIONS |= {
    22610: "JPEG XR",
    48124: "JetRaw",
    50000: "Zstandard",
    _WEBP: "WebP",
    50002: "JPEG XL",
    52546: "JPEG XL",
}

# A JPEG's frame headers, by their marker: https://www.w3.org/Graphics/JPEG/itu-t81.pdf, table B.1
_FRAMES = {0xC0: "", 0xC1: "", 0xC2: "", 0xC3: "lossless ", 0xC9: "arithmetic ", 0xCA: "arithmetic ", 0xCB: "lossless "}
_FRAMES |= dict.fromkeys((0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF), "hierarchical ") | {0xF7: "JPEG-LS "}
_NO_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})

_BITMAP_COMPRESSIONS = {
    0: "",
    1: "packed ",
    2: "packed ",
    3: "with masks ",
    4: "with a JPEG ",
    5: "with a PNG ",
    6: "with masks ",
}


def kind_not_opened(kind: str, data: bytes) -> str | None:
    """What a file of this format holds that could not be opened, as `a TIFF of 3 x 32 bits float RGB`.

    None if its header makes no sense: it is damaged. No bytes raise anything.
    """
    match kind:
        case "TIFF":
            return _tiff(data)
        case "JPEG":
            return _jpeg(data)
        case "BMP":
            return _bitmap(data)
        case "PNG":
            return _png(data)
        case _:
            return None


def kind_misread(image: Image.Image, data: bytes) -> str | None:
    """What an image holds that Pillow opened but would decode to other pixels than are stored, or to none.

    Or to pixels of which nobody can say whether they are all in the file: simplejpeg, which tells, does not decode every
    kind of JPEG that libtiff does.
    """
    if image.format == "PNG":
        return "a PNG of 3 x 16 bits with one clear colour" if has_deep_clear_colour(image, data) else _png(data)
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return None
    numbers = tiff_numbers(data, _TAGS, at_most=_SEEN)
    compression = next(iter(numbers[_COMPRESSION]), 1)
    in_wrong_planes = 2 in numbers[_PLANES] and _in_wrong_planes(image, numbers, is_raw=compression == 1)
    is_uncheckable = (compression == _JPEG and 2 in numbers[_SAMPLES]) or has_old_jpeg_in_parts(image, data)
    if compression == _WEBP or in_wrong_planes or is_uncheckable:
        return _tiff(data) or "a TIFF of an odd layout"
    white = max(numbers[_LARGEST] or numbers[_MOST], default=0)
    if len(image.getbands()) > 1 and max(numbers[_BITS], default=1) > 8 and white in _DEPTHS:
        return f"{_tiff(data) or 'a TIFF'} with white at {white}"
    return None


def _in_wrong_planes(image: Image.Image, numbers: dict[int, list[int]], *, is_raw: bool) -> bool:
    """Whether Pillow mixes up the planes of a TIFF: of two samples always, of others if they are not compressed."""
    if image.mode in ("LA", "La", "PA"):
        return True
    deep, premultiplied = max(numbers[_BITS], default=1) > 8, 1 in numbers[_EXTRA]
    return is_raw and image.mode in _IN_PLANES and (deep or premultiplied or image.mode == "YCbCr")


def _tiff(data: bytes) -> str | None:
    numbers = tiff_numbers(data, _TAGS, at_most=_SEEN)
    width, length, samples, planes = (next(iter(numbers[tag]), 1) for tag in (_WIDTH, _LENGTH, _SAMPLES, _PLANES))
    colours = _COLOURS.get(next(iter(numbers[_PHOTOMETRIC]), 0))
    form = _FORMS.get(next(iter(numbers[_FORM]), 1))
    compression = _COMPRESSIONS.get(next(iter(numbers[_COMPRESSION]), 1))
    bits = max(numbers[_BITS], default=1)
    pieces = [(numbers[place], numbers[size]) for place, size in _PIECES if numbers[place] and numbers[size]]
    within = all(place + size <= len(data) for piece in pieces for place, size in zip(*piece, strict=False))
    sizes = numbers[_WIDTH] and numbers[_LENGTH] and width and length and 0 < samples < _SEEN and 0 < bits <= _MAX_BITS
    if colours is None or form is None or compression is None or not (sizes and pieces and within):
        return None
    order = "big-endian " if data.startswith(b"MM") else ""
    depth = f"{samples} x {bits} bits" if samples > 1 else f"{bits} bits"
    planar = " in planes" if planes == 2 and samples > 1 else ""
    packed = f", {compression} inside" if compression else ""
    return f"a {order}{'BigTIFF' if b'+' in data[2:4] else 'TIFF'} of {depth} {form}{colours}{planar}{packed}"


def _png(data: bytes) -> str | None:
    name = unknown_chunk(data)
    return f"a PNG with the chunk {name} in its picture" if name else None


def _jpeg(data: bytes) -> str | None:
    place = 2
    while place + 9 < len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker in _FRAMES:
            precision, components = data[place + 4], data[place + 9]
            if (precision == 8 and not _FRAMES[marker]) or not 2 <= precision <= 16 or not components:
                return None
            article = "an" if _FRAMES[marker].startswith("a") else "a"
            return f"{article} {_FRAMES[marker]}JPEG of {precision} bits"
        place += 1 if marker == 0xFF else 2
        if marker not in _NO_LENGTH and marker != 0xFF:
            place += int.from_bytes(data[place : place + 2])
    return None


def _bitmap(data: bytes) -> str | None:
    if len(data) < 34:
        return None
    start, size, width, height, planes, bits, compression = struct.unpack_from("<IIiiHHI", data, 10)
    if size < 40 or not width or not height or planes != 1 or start > len(data) or bits > 32:
        return None
    how = _BITMAP_COMPRESSIONS.get(compression)
    return None if how is None else f"a bitmap {how}of {bits} bits"
