"""Pictures unlike the others in size, shape, light or sharpness. Every limit is reported with its findings.

Size and shape are compared with the data set itself (median and MAD, Leys et al. 2013,
https://doi.org/10.1016/j.jesp.2013.03.013), light and sharpness with fixed levels, found by eye.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import log2, sqrt

import numpy as np

from training.audit.measuring import PhotoFacts
from training.audit.records import Limit, Outlier, OutlierKind

DEVIATIONS = 4.0  # robust standard deviations
MAD_TO_DEVIATION = 1.4826  # of a normal distribution
LEAST_SIDE_FACTOR = 2.0  # a side half as long is no outlier, however equal the others are
LEAST_ASPECT_FACTOR = 2.5  # what a square crop loses of a wider picture is most of it

DARK = 60.0  # level of 255
BRIGHT = 215.0
ONE_COLOUR = 6.0
BLURRED = 0.12  # of photos of balls none; of the same with a Gaussian blur of radius 3 (4) at 256 pixels 85 % (97 %)


@dataclass(frozen=True)
class Rule:
    """A measure of each picture, and on which side of the limit it is an outlier."""

    kind: OutlierKind
    what: str
    value: Callable[[PhotoFacts], float]
    limit: float | None
    below: bool

    def finds(self, one: PhotoFacts) -> bool:
        """Whether the picture is an outlier."""
        if self.limit is None:
            return False
        return self.value(one) < self.limit if self.below else self.value(one) > self.limit


def find_outliers(photos: Sequence[PhotoFacts]) -> tuple[tuple[Limit, ...], tuple[Outlier, ...]]:
    """The limits that this data set has, and every picture beyond one, kind by kind, the farthest first."""
    rules = list(_rules(photos))
    limits = tuple(
        Limit(kind=rule.kind, what=rule.what, limit=None if rule.limit is None else round(rule.limit, 3))
        for rule in rules
    )
    return limits, tuple(outlier for rule in rules for outlier in _beyond(rule, photos))


def _beyond(rule: Rule, photos: Sequence[PhotoFacts]) -> list[Outlier]:
    found = [
        Outlier(
            path=one.file.relative, label=one.file.label, split=one.file.split, kind=rule.kind,
            value=round(rule.value(one), 3), limit=round(rule.limit, 3),
        )
        for one in photos
        if rule.limit is not None and rule.finds(one)
    ]  # fmt: skip
    return sorted(found, key=lambda outlier: (outlier.value if rule.below else -outlier.value, outlier.path))


def _rules(photos: Sequence[PhotoFacts]) -> Iterator[Rule]:
    small, large = _robust([_side(one) for one in photos], LEAST_SIDE_FACTOR)
    narrow, wide = _robust([_aspect(one) for one in photos], LEAST_ASPECT_FACTOR)
    yield Rule("small", "root of width times height, in pixels, below", _side, small, below=True)
    yield Rule("large", "root of width times height, in pixels, above", _side, large, below=False)
    yield Rule("narrow", "width over height, below", _aspect, narrow, below=True)
    yield Rule("wide", "width over height, above", _aspect, wide, below=False)
    yield Rule("dark", "level of 255 that 95 % of the pixels are under, below", lambda one: one.white, DARK, below=True)
    yield Rule(
        "bright", "level of 255 that 99 % of the pixels are over, above", lambda one: one.black, BRIGHT, below=False
    )
    yield Rule("one_colour", "standard deviation of the levels, below", lambda one: one.spread, ONE_COLOUR, below=True)
    yield Rule("blurred", "steepest edge at 256 pixels, as a share of the contrast, below", _edges, BLURRED, below=True)


def _side(one: PhotoFacts) -> float:
    return sqrt(one.width * one.height)


def _aspect(one: PhotoFacts) -> float:
    return one.width / one.height


def _edges(one: PhotoFacts) -> float:
    return 1.0 if one.spread < ONE_COLOUR else one.edges  # one finding is enough


def _robust(values: Sequence[float], least_factor: float) -> tuple[float | None, float | None]:
    """Limits around the median of positive values, in logarithms; none for nothing."""
    if not values:
        return None, None
    logarithms = np.log2(values)
    middle = float(np.median(logarithms))
    spread = DEVIATIONS * MAD_TO_DEVIATION * float(np.median(np.abs(logarithms - middle)))
    room = max(spread, log2(least_factor))
    return 2 ** (middle - room), 2 ** (middle + room)
