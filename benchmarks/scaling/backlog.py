"""The queue: pieces of images in the order they came, and how long each of them took."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

PIECE = 100  # images of one drop that count as one: all get the time of the last of them


class Backlog:
    """Images that wait or are in work; first in, first out."""

    def __init__(self) -> None:
        self.images = 0.0
        self.done = 0.0
        self.last_done_at = -math.inf
        self.waits: list[tuple[float, float]] = []  # seconds, images
        self._pieces: deque[list[float]] = deque()  # [came at, images left, images]
        self._answered: deque[tuple[float, float]] = deque()  # when, images

    def add(self, now: float, images: int) -> None:
        """Images come."""
        for start in range(0, images, PIECE):
            piece = float(min(PIECE, images - start))
            self._pieces.append([now, piece, piece])
        self.images += images

    def messages(self, now: float, beside_s: float) -> float:
        """Visible and in flight: an image's message is on the queue beside the model, too, for so many seconds."""
        while self._answered and self._answered[0][0] <= now - beside_s:
            self._answered.popleft()
        return self.images + sum(images for _, images in self._answered)

    def serve(self, start: float, end: float, images_per_s: float) -> None:
        """Classify from `start` to `end`."""
        now = start
        while self._pieces and images_per_s > 0:
            came, left, whole = piece = self._pieces[0]
            finished = now + left / images_per_s
            if finished > end:
                piece[1] -= (end - now) * images_per_s
                self.images -= (end - now) * images_per_s
                return
            self._pieces.popleft()
            self.images = self.images - left if self._pieces else 0.0
            self.done += whole
            self.waits.append((finished - came, whole))
            self._answered.append((finished, whole))
            self.last_done_at = now = finished


def quantiles(waits: Sequence[tuple[float, float]], shares: Sequence[float]) -> list[float]:
    """The seconds within which these shares of the images were done."""
    ordered = sorted(waits)
    whole, found, passed = sum(images for _, images in ordered), [], 0.0
    wanted = iter(sorted(shares))
    share = next(wanted, None)
    for seconds, images in ordered:
        passed += images
        while share is not None and passed >= share * whole * (1 - 1e-12):
            found.append(seconds)
            share = next(wanted, None)
    return found
