"""CloudWatch's figures of the queue: one a minute, late, and none of a queue that nobody touched for six hours."""

from __future__ import annotations

from collections import deque

from benchmarks.scaling.world import World

MINUTE = 60.0
KEPT_S = 2 * 3600.0


class QueueMetrics:
    """Messages on the queue (visible and in flight), as CloudWatch tells them."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._figures: deque[tuple[float, float, float]] = deque()  # of when, known when, messages
        self._touched_at = 0.0
        self._active_from = 0.0  # when it was touched first after it had been inactive
        self._active = True

    def record(self, now: float, messages: float, *, polled: bool) -> None:
        """A minute has ended; `polled` says whether Lambda reads the queue, which an open gate lets it."""
        world = self._world
        touched = messages > 0 or polled or world.queue_stays_active
        if touched:
            if not self._active:
                self._active, self._active_from = True, now
            self._touched_at = now
        elif now - self._touched_at >= world.inactive_after_s:
            self._active = False
        if self._active:
            first = self._active_from + world.first_metric_s if self._active_from else 0.0
            self._figures.append((now, max(now + world.metric_lag_s, first), messages))
        while self._figures and self._figures[0][0] < now - KEPT_S:
            self._figures.popleft()

    def most(self, now: float, window_s: float) -> float | None:
        """The highest figure of the window that ends now, of those that are known; None without any."""
        known = [messages for of, at, messages in self._figures if now - window_s < of and at <= now]
        return max(known, default=None)

    def last(self, now: float, periods: int) -> list[float | None]:
        """The figures of the last so many minutes that can be known by now, oldest first; None where one is missing."""
        newest = (now - self._world.metric_lag_s) // MINUTE * MINUTE
        known = {of: messages for of, at, messages in self._figures if at <= now}
        return [known.get(newest - MINUTE * back) for back in reversed(range(periods))]
