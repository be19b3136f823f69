"""What is black, what is white and what is no value, among numbers whose type does not say so.

docs/pictures.md has the rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Range = tuple[float, float]  # the values of black and of white

OUTLIERS = 0.001  # of the values at either end may lie outside of the range
LOOKED_AT = 1_000_000  # values, evenly spread over the picture: enough for its range, in 20 ms
FILLED = 0.25  # of a scale that is not the first one has to be used, else nobody meant it
NO_VALUE = (-9999.0, -32768.0)  # what instruments write where they saw nothing
NO_NUMBER = 1e30  # and beyond, as the largest float
FAR = 4  # times the range of the others: a value that is repeated out there was not measured
FAR_FOR_WHITE = 1000  # the same for the end of a usual scale, which may be a picture's white
MOST_MARKS = 4  # kinds of such values in one picture

# What a file without a declared white may mean: the first that holds all values but outliers. By numpy's kind.
SCALES: dict[str, Sequence[Range]] = {
    "f4": ((0, 1), (0, 255), (0, 65535)),
    "u4": ((0, 255), (0, 65535), (0, 2**32 - 1)),
    "i2": ((0, 255), (0, 2**15 - 1), (-(2**15), 2**15 - 1)),
    "i4": ((0, 255), (0, 65535), (0, 2**31 - 1), (-(2**31), 2**31 - 1)),
}


class NoValues(Exception):
    """None of the pixels has a value."""


def has_value(values: NDArray[np.float32], marks: Sequence[float]) -> NDArray[np.bool_]:
    """Which numbers are values: finite, sensible, and none of `marks`, which stand for 'nothing was measured'."""
    there = np.abs(values) < NO_NUMBER  # not so for what is no number
    for mark in marks:
        there &= values != np.float32(mark)
    return there


def find_scale(values: NDArray[Any], kind: str, marks: Sequence[float]) -> tuple[Range, tuple[float, ...]]:
    """Black and white of a file that declares none, and `marks` with those that were found besides.

    Of the usual scales it is the one that its values fill, else their own range.
    """
    some = values.reshape(-1)[:: max(1, values.size // LOOKED_AT)].astype(np.float32)
    some = some[has_value(some, marks)]
    if not some.size:
        return SCALES[kind][0], tuple(marks)
    found: list[float] = []
    while (black_and_white := _usual(some, SCALES[kind][:1])) is None and len(found) < MOST_MARKS:
        mark = _mark(some, SCALES[kind])
        if mark is None:
            break
        found.append(mark)
        some = some[some != np.float32(mark)]
    return black_and_white or _usual(some, SCALES[kind]) or _own(some), (*marks, *found)


def _ends(some: NDArray[np.float32]) -> Range:
    low = np.quantile(some, OUTLIERS, method="lower")
    return float(low), float(np.quantile(some, 1 - OUTLIERS, method="higher"))


def _usual(some: NDArray[np.float32], scales: Sequence[Range]) -> Range | None:
    low, high = _ends(some)
    for black, white in scales:
        filled = (black, white) == scales[0] or high - low >= FILLED * (white - black)
        if black <= low and high <= white and filled:
            return black, white
    return None


def _own(some: NDArray[np.float32]) -> Range:
    low, high = _ends(some)
    return (low, high) if low < high else (min(0.0, low), max(1.0, high))


def _mark(some: NDArray[np.float32], scales: Sequence[Range]) -> float | None:
    """The lowest or highest value, if it is repeated and far from all others."""
    for end in (float(some.min()), float(some.max())):
        others = some[some != np.float32(end)]
        if not others.size or some.size - others.size <= OUTLIERS * some.size:
            continue
        low, high = _ends(others)
        may_be_white = any(end in scale for scale in scales) and not (scales[0] == (0, 1) and low >= 0 and high <= 1)
        far = FAR_FOR_WHITE if may_be_white else FAR
        if low < high and max(low - end, end - high) > far * (high - low):
            return end
    return None
