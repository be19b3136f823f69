"""At most so many messages a second."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tests.podium.care.clock import Clock


@given(st.integers(1, 1000), st.lists(st.floats(0, 10), max_size=20))
def test_turns_are_never_closer_than_the_rate_allows(per_s: int, pauses_s: list[float]) -> None:
    clock = Clock()
    limiter = clock.limiter(per_s)
    turns: list[float] = []
    for pause_s in pauses_s:
        clock.now_s += pause_s
        limiter.wait()
        turns.append(clock.now_s)
    assert all(later - earlier >= 1 / per_s - 1e-6 for earlier, later in pairwise(turns))
