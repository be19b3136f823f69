"""Greys of other depths than 8 bits, as 8 bits: by what the file declares, never by its brightest or darkest pixel.

docs/pictures.md has the table of what is black and what is white.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

from inference.images.scales import NO_NUMBER, NO_VALUE, OUTLIERS, SCALES, NoValues, Range, find_scale, has_value

ROWS_AT_ONCE = 256
DEPTHS = frozenset(2.0**bits - 1 for bits in range(9, 16))  # whites of 9 to 15 bits, stored in 16

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
    """Greys of 12, 16 or 32 bits, signed or float, as 8 bits, mode `L`; black where there is no value, white where clear.

    Raises scales.NoValues if there is none at all.
    """
    samples = _samples(image)
    values = _values(image, samples)
    if samples.kind in SCALES:
        grey = _scaled(values, samples)
    else:
        declared = samples.declared
        if declared and np.count_nonzero(values > declared[1]) > OUTLIERS * values.size:
            declared = None  # it is not true
        grey = _table(samples, declared)[values]
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
        declared=_declared_white(tags) if kind == "u2" else _declared(tags),
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


def _declared_white(tags: TiffImagePlugin.ImageFileDirectory_v2) -> Range | None:
    """Of 16 bits: a smaller depth that they hold. Programs write any other number as a statistic."""
    for least, most in _LEAST_AND_MOST:
        black, white = _number(tags.get(least)) or 0.0, _number(tags.get(most))
        if white in DEPTHS and black == 0:
            return black, white
    return None


def _values(image: Image.Image, samples: _Samples) -> NDArray[Any]:
    stored = np.asarray(image)
    if samples.kind in ("i1", "u4"):
        return stored.view(samples.kind)
    values = stored.astype(samples.kind, copy=False)
    return values.byteswap() if samples.swapped else values


def _table(samples: _Samples, black_and_white: Range | None) -> NDArray[np.uint8]:
    """What each value of 8 to 16 bits is in 8 bits; a negative one counts from the end, as numpy does."""
    black, white = black_and_white or (0, 2**samples.bits - 1)
    values = np.arange(2 ** (8 if samples.kind == "i1" else 16))
    levels = np.rint((values - black) * (255 / (white - black))).clip(0, 255)
    levels = 255 - levels if samples.white_is_zero else levels
    table: NDArray[np.uint8] = (np.roll(levels, 128) if samples.kind == "i1" else levels).astype(np.uint8)
    return table


def _scaled(values: NDArray[Any], samples: _Samples) -> NDArray[np.uint8]:
    """Raises NoValues."""
    marks = (*NO_VALUE, *([] if samples.no_data is None else [samples.no_data]))
    (black, white), marks = (samples.declared, marks) if samples.declared else find_scale(values, samples.kind, marks)
    grey = np.empty(values.shape, np.uint8)
    is_any = False
    for top in range(0, len(values), ROWS_AT_ONCE):
        rows = values[top : top + ROWS_AT_ONCE].astype(np.float32)
        there = has_value(rows, marks)
        is_any = is_any or bool(there.any())
        levels = np.rint((np.where(there, rows, black) - black) * (255 / (white - black))).clip(0, 255)
        grey[top : top + ROWS_AT_ONCE] = np.where(there, 255 - levels if samples.white_is_zero else levels, 0)
    if not is_any:
        raise NoValues
    return grey
