"""The time of one invocation, and waiting by it."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

REPORTING_S = 3.0  # of an invocation's time are kept for back-off, log and response
LEAST_WAIT_S = 0.001  # Lambda's clock has milliseconds
DONE_TOO_LATE = "the invocation's time ended before this was done"


class OutOfTime(Exception):
    """The time ended first, the invocation's or that for fetching: the message returns to the queue."""


def utc_now() -> datetime:
    """The time of day."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Clock:
    """The only time that the code between Lambda's event and its response knows."""

    left_s: Callable[[], float]  # until the work must end; a clock on which this stands still waits for ever
    now: Callable[[], datetime] = utc_now
    elapsed_s: Callable[[], float] = time.monotonic

    def ms_since(self, began_s: float) -> float:
        """Milliseconds since `elapsed_s` was `began_s`."""
        return round((self.elapsed_s() - began_s) * 1000, 1)


def clock_of(context: LambdaContext) -> Clock:
    """The clock of an invocation."""
    return Clock(lambda: context.get_remaining_time_in_millis() / 1000 - REPORTING_S)


def outcome_of(work: Future[Any], clock: Clock, *, keep_s: float = 0.0, too_late: str = DONE_TOO_LATE) -> Any:  # noqa: ANN401 (the work's result)
    """Its result, or what it raised; OutOfTime (`too_late`) when the clock has only `keep_s` left before it is done."""
    while (more_s := clock.left_s() - keep_s) > 0 or work.done():
        with suppress(TimeoutError):  # of this waiting: one that the work itself raised is returned
            return work.exception(max(LEAST_WAIT_S, more_s)) or work.result()
    return OutOfTime(too_late)
