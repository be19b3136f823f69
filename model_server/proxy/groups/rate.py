"""How fast images are answered, to say when to come again. No I/O, no clock."""

from __future__ import annotations

import math

WEIGHT = 0.2  # of the newest group
SHORTEST_S, LONGEST_S = 1, 60


class Rate:
    """Images per second, as the groups that were answered show it."""

    def __init__(self) -> None:
        self._images_per_s: float | None = None

    def answered(self, *, images_under_way: int, took_s: float) -> None:
        """A group was answered after `took_s`, with so many images under way (its own among them).

        Little's law: what is under way, over the time each is under way, is what comes out.
        """
        measured = images_under_way / max(took_s, 1e-4)
        before = measured if self._images_per_s is None else self._images_per_s
        self._images_per_s = before + WEIGHT * (measured - before)

    def seconds_for(self, images: int, at_least_s: int = SHORTEST_S) -> int:
        """How long so many images will take, in whole seconds, 1 to 60."""
        estimate = images / self._images_per_s if self._images_per_s else 0.0
        return min(LONGEST_S, max(at_least_s, math.ceil(estimate)))
