"""One line of a forecast: dollars for each image, and dollars a month whatever comes."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal

from pydantic import BaseModel, ConfigDict

Kind = Literal["images", "care", "compute", "kept", "standing"]
MILLION = 1_000_000


class Line(BaseModel):
    """What costs, how much, and by which arithmetic."""

    model_config = ConfigDict(frozen=True)

    name: str
    kind: Kind  # each image; looking after them; the model; what is kept; what is paid for while nothing happens
    basis: str  # the arithmetic, in words
    each_image: float = 0.0
    a_month: float = 0.0
    most_a_month: float = math.inf  # of what the images make, however many come

    def month(self, images: float) -> float:
        """Dollars of a month with so many images."""
        return self.a_month + min(images * self.each_image, self.most_a_month)

    @property
    def a_million(self) -> float:
        """Dollars for a million images, beside what the month costs anyway."""
        return self.each_image * MILLION


def month_of(lines: Iterable[Line], images: float) -> float:
    """Dollars of a month with so many images, all lines together."""
    return sum(line.month(images) for line in lines)
