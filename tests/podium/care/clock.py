"""A clock for rate limits."""

from __future__ import annotations

from dataclasses import dataclass, field

from podium.care.rate_limiter import RateLimiter


@dataclass
class Clock:
    """A clock that only sleeping moves."""

    now_s: float = 0.0
    slept_s: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        self.now_s += seconds

    def limiter(self, per_s: float) -> RateLimiter:
        return RateLimiter(per_s, now_s=lambda: self.now_s, sleep=self.sleep)
