"""The interval of a share is the published one."""

from __future__ import annotations

import pytest

from training.evaluation.intervals import share


def test_the_wilson_interval_is_the_published_one() -> None:
    found = share(90, 100)
    assert (found.value, round(found.low, 4), round(found.high, 4)) == (0.9, 0.8256, 0.9448)
    assert share(50, 50).high == pytest.approx(1.0)
    assert 0 < share(50, 50).low < 1
    assert share(0, 1).low == pytest.approx(0.0)
