"""Waiting for work by the clock of an invocation."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event

import pytest

from pipeline.classify.clock import REPORTING_S, Clock, OutOfTime, clock_of, outcome_of
from tests.functions.invoking import Context


def done(result: object = None, error: Exception | None = None) -> Future[object]:
    future: Future[object] = Future()
    if error:
        future.set_exception(error)
    else:
        future.set_result(result)
    return future


def test_the_time_left_is_lambdas_without_what_reporting_takes() -> None:
    clock = clock_of(Context(lambda: 60_000))  # type: ignore[arg-type]
    assert clock.left_s() == 60 - REPORTING_S


def test_while_the_clock_stands_still_work_may_take_as_long_as_it_likes() -> None:
    """As on a machine so busy that every wait ends before the work: it is waited for again."""
    waits, over = iter(range(5)), Event()

    def left_s() -> float:
        if next(waits, None) is None:
            over.set()
        return 0.001

    with ThreadPoolExecutor(1) as pool:
        assert outcome_of(pool.submit(lambda: over.wait(60)), Clock(left_s)) is True


@pytest.mark.parametrize("left_s", [0.0, 5.0, -3.0])
def test_work_that_is_not_done_in_time_is_out_of_time(left_s: float) -> None:
    outcome = outcome_of(Future(), Clock(lambda: left_s), keep_s=5.0, too_late="S3 was slow")
    assert isinstance(outcome, OutOfTime)
    assert str(outcome) == "S3 was slow"


@pytest.mark.parametrize("left_s", [30.0, 0.0, -3.0])
def test_work_that_is_done_counts_however_late_it_is(left_s: float) -> None:
    problem = TimeoutError("the work's own")
    assert outcome_of(done("a result"), Clock(lambda: left_s)) == "a result"
    assert outcome_of(done(error=problem), Clock(lambda: left_s)) is problem
