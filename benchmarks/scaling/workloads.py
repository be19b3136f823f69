"""What comes in a day and a quarter: seeded, and named by what is hard about it."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

HOUR = 3600.0
LENGTH_S = 30 * HOUR
Arrivals = list[tuple[float, int]]  # seconds, images; in the order of time


def trickle(random: Random, a_second: float = 0.2) -> Arrivals:
    """An image now and then, day and night."""
    found, now = [], 0.0
    while (now := now + random.expovariate(a_second)) < LENGTH_S:
        found.append((now, 1))
    return found


def bursts(random: Random) -> Arrivals:
    """Twenty drops of 500 to 200,000 images within the working day."""
    return sorted(
        (random.uniform(8, 18) * HOUR, max(500, min(200_000, round(random.lognormvariate(9.5, 1.3)))))
        for _ in range(20)
    )


def night(random: Random) -> Arrivals:
    """Half a million images at two o'clock, within ten minutes."""
    return sorted((random.uniform(26 * HOUR, 26 * HOUR + 600), 1000) for _ in range(500))


def on_and_off(random: Random) -> Arrivals:
    """2,500 images every 25 minutes: each time, the queue has just been empty for long enough."""
    return [(HOUR + 1500.0 * turn + random.uniform(0, 30), 2500) for turn in range(58)]


def waves(random: Random) -> Arrivals:
    """Images for one GPU and a little, with a wave of some minutes: the backlog crosses every step again and again."""
    found = []
    for minute in range(6 * 60, 18 * 60):
        high = (minute // 7) % 2 == 0
        found.append((minute * 60.0, round(random.uniform(0.9, 1.1) * (24_000 if high else 2_000))))
    return found


def rare(random: Random) -> Arrivals:
    """20,000 images every eight hours: in between, nobody touches the queue but the gate."""
    return [(HOUR * (1 + 8 * turn) + random.uniform(0, 60), 20_000) for turn in range(4)]


def day(random: Random) -> Arrivals:
    """A trickle, the drops of a working day and the one at night."""
    return sorted(trickle(random) + bursts(random) + night(random))


WORKLOADS: dict[str, Callable[[Random], Arrivals]] = {
    "trickle": trickle, "bursts": bursts, "night": night, "on and off": on_and_off, "waves": waves, "rare": rare, "day": day,
}  # fmt: skip


def arrivals(name: str, seed: int) -> Arrivals:
    """The images of a workload."""
    return WORKLOADS[name](Random(f"{name} {seed}"))  # noqa: S311 - a simulation
