"""Greys of other depths than 8 bits, as 8 bits: by what the file declares, never by its brightest or darkest pixel.

docs/pictures.md has the table of what is black and what is white.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

Range = tuple[float, float]  # the values of black and of white

OUTLIERS = 0.001  # of the values at either end may lie outside of the range
LOOKED_AT = 1_000_000  # values, evenly spread over the picture: enough for its range, in 20 ms
FILLED = 0.25  # of a scale that is not the first one has to be used, else nobody meant it
ROWS_AT_ONCE = 256
NO_VALUE = (-9999.0, -32768.0)  # what instruments write where they saw nothing
NO_NUMBER = 1e30  # and beyond, as the largest float

# What a file without a declared white may mean: the first that holds all values but outliers.
_SCALES: dict[str, Sequence[Range]] = {
    "f4": ((0, 1), (0, 255), (0, 65535)),
    "u4": ((0, 255), (0, 65535), (0, 2**32 - 1)),
    "i2": ((0, 255), (0, 2**15 - 1), (-(2**15), 2**15 - 1)),
    "i4": ((0, 255), (0, 65535), (0, 2**31 - 1), (-(2**31), 2**31 - 1)),
}

_BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLE_FORMAT, _NODATA = 258, 259, 262, 339, 42113
_LEAST_AND_MOST = ((340, 341), (280, 281))  # SMinSampleValue and SMaxSampleValue, and their older form
_SIGNED, _FLOAT = 2, 3


@dataclass(frozen=True)
class _Samples:
    """How the grey values of a file are stored, and what they mean."""

    kind: str  # numpy's, as `u2`; the file's, where Pillow's mode is a wider one
    bits: int
    white_is_zero: bool = False
    swapped: bool = False  # libtiff hands out the machine's byte order, and Pillow swaps it once more
    declared: Range | None = None
    no_data: float | None = None


def is_deep(image: Image.Image) -> bool:
    """Whether the greys of an image need `eight_bit`: those that Pillow itself would cut off, wrap or take for others."""
    return image.mode.startswith("I") or image.mode == "F" or (image.mode == "L" and _samples(image).kind == "i1")


def eight_bit(image: Image.Image) -> Image.Image:
    """Greys of 12, 16 or 32 bits, signed or float, as 8 bits, mode `L`; black where there is no value, white where clear."""
    samples = _samples(image)
    values = _values(image, samples)
    if samples.kind in _SCALES:
        grey = _scaled(values, samples, samples.declared or _range(values, samples))
    else:
        grey = _table(samples)[values]
    clear = image.info.get("transparency")
    if isinstance(clear, int):
        grey[values == clear] = 255
    return Image.fromarray(grey)


def _samples(image: Image.Image) -> _Samples:
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return _Samples("f4" if image.mode == "F" else "i4" if image.mode == "I" else "u2", 16)
    tags = image.tag_v2
    bits, form = (_first(tags.get(tag), usual) for tag, usual in ((_BITS, 1), (_SAMPLE_FORMAT, 1)))
    kind = f"{'f' if form == _FLOAT else 'i' if form == _SIGNED else 'u'}{max(1, bits // 8) if bits != 12 else 2}"
    swapped = bits > 8 and tags.prefix == TiffImagePlugin.MM and _first(tags.get(_COMPRESSION), 1) != 1
    return _Samples(
        kind,
        bits,
        white_is_zero=tags.get(_PHOTOMETRIC, 0) == 0,
        swapped=swapped and not image.mode.startswith("I;16"),
        declared=_declared(tags),
        no_data=_number(tags.get(_NODATA)),
    )


def _first(value: Any, usual: int) -> int:  # noqa: ANN401 - a tag's
    first = value[0] if isinstance(value, tuple) and value else value
    return first if isinstance(first, int) else usual


def _number(value: Any) -> float | None:  # noqa: ANN401 - a tag's
    with suppress(TypeError, ValueError):
        return float(value.strip("\0 ") if isinstance(value, str) else value[0] if isinstance(value, tuple) else value)
    return None


def _declared(tags: TiffImagePlugin.ImageFileDirectory_v2) -> Range | None:
    for least, most in _LEAST_AND_MOST:
        black, white = _number(tags.get(least)), _number(tags.get(most))
        if black is not None and white is not None and -NO_NUMBER < black < white < NO_NUMBER:
            return black, white
    return None


def _values(image: Image.Image, samples: _Samples) -> NDArray[Any]:
    stored = np.asarray(image)
    if samples.kind in ("i1", "u4"):
        return stored.view(samples.kind)
    values = stored.astype(samples.kind, copy=False)
    return values.byteswap() if samples.swapped else values


def _table(samples: _Samples) -> NDArray[np.uint8]:
    """What each value of 8 to 16 bits is in 8 bits; a negative one counts from the end, as numpy does."""
    white = 2**samples.bits - 1
    levels = np.rint(np.arange(2 ** (8 if samples.kind == "i1" else 16)) * (255 / white)).clip(0, 255)
    levels = 255 - levels if samples.white_is_zero else levels
    table: NDArray[np.uint8] = (np.roll(levels, 128) if samples.kind == "i1" else levels).astype(np.uint8)
    return table


def _has_value(values: NDArray[np.float32], samples: _Samples) -> NDArray[np.bool_]:
    there = np.abs(values) < NO_NUMBER  # not so for what is no number
    for mark in (*NO_VALUE, samples.no_data):
        if mark is not None:
            there &= values != np.float32(mark)
    return there


def _range(values: NDArray[Any], samples: _Samples) -> Range:
    """Black and white of a file that declares none: of the usual scales the one that its values fill, or their own."""
    some = values.reshape(-1)[:: max(1, values.size // LOOKED_AT)].astype(np.float32)
    some = some[_has_value(some, samples)]
    scales = _SCALES[samples.kind]
    if not some.size:
        return scales[0]
    low = float(np.quantile(some, OUTLIERS, method="lower"))
    high = float(np.quantile(some, 1 - OUTLIERS, method="higher"))
    for black, white in scales:
        filled = (black, white) == scales[0] or high - low >= FILLED * (white - black)
        if black <= low and high <= white and filled:
            return black, white
    return (low, high) if low < high else (min(0.0, low), max(1.0, high))


def _scaled(values: NDArray[Any], samples: _Samples, black_and_white: Range) -> NDArray[np.uint8]:
    black, white = black_and_white
    grey = np.empty(values.shape, np.uint8)
    for top in range(0, len(values), ROWS_AT_ONCE):
        rows = values[top : top + ROWS_AT_ONCE].astype(np.float32)
        there = _has_value(rows, samples)
        levels = np.rint((np.where(there, rows, black) - black) * (255 / (white - black))).clip(0, 255)
        grey[top : top + ROWS_AT_ONCE] = np.where(there, 255 - levels if samples.white_is_zero else levels, 0)
    return grey
