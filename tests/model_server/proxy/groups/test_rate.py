"""When to come again."""

from __future__ import annotations

from proxy.groups.rate import Rate


def test_who_is_refused_first_comes_again_soon() -> None:
    assert Rate().seconds_for(100) == 1
    assert Rate().seconds_for(100, at_least_s=5) == 5


def test_the_wait_is_what_waits_over_what_comes_out() -> None:
    rate = Rate()
    rate.answered(images_under_way=16, took_s=0.8)  # Little's law: 20 images/s
    assert rate.seconds_for(100) == 5
    assert rate.seconds_for(1) == 1
    assert rate.seconds_for(10_000) == 60


def test_a_server_that_slows_down_is_noticed() -> None:
    rate = Rate()
    for _ in range(30):
        rate.answered(images_under_way=8, took_s=0.1)
    fast = rate.seconds_for(1000)
    for _ in range(30):
        rate.answered(images_under_way=8, took_s=2.0)
    assert fast == 13
    assert rate.seconds_for(100) > 20
