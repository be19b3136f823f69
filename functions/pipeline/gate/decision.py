"""When the gate closes and when it opens: the decision alone, without AWS, without a clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

OPEN, CLOSED = "Enabled", "Disabled"  # in any other state, the mapping is on its way to one of these, or to its end
CLOSING = "Disabling"
PROBES_THAT_CLOSE = 2  # one lost request closes nothing
SECOND_PROBE_AFTER_S = 3.0
NEXT_PROBE_AFTER_S = 5.0
LEAST_TIME_S = 10.0  # of an invocation are left when a probe is repeated


class EventSourceMapping(NamedTuple):
    """The event source mapping: its state, by AWS's word for it, and since when."""

    state: str
    since: datetime


@dataclass(frozen=True)
class Check:
    """What one check found and did; `closed` is how it left the gate, `failures` say why probes failed."""

    before: EventSourceMapping
    change: Literal["closed", "opened"] | None
    closed: bool
    failures: tuple[str, ...]


class Time(NamedTuple):
    """The time of one invocation."""

    sleep: Callable[[float], None]
    left_s: Callable[[], float]


def check(
    before: EventSourceMapping,
    *,
    probe: Callable[[], str | None],
    waiting: Callable[[], int],
    change: Callable[[str], bool],
    time: Time,
) -> Check:
    """Close an open gate when two probes in a row fail, open a closed one when one is answered.

    While images wait before a closed gate, it probes until the invocation's time ends: they wait seconds longer than
    the server, not a minute. `probe` returns why it failed, or None; `waiting` how many images wait; `change` moves the
    mapping to OPEN or CLOSED and returns whether AWS took the change. A mapping that is changing is left to the next check.
    """
    failures: list[str] = []

    def answers(*, again_after_s: float, enough: Callable[[], bool]) -> bool:
        while (reason := probe()) is not None:
            failures.append(reason)
            if enough() or time.left_s() - again_after_s < LEAST_TIME_S:
                return False
            time.sleep(again_after_s)
        return True

    if before.state == OPEN:
        answers(again_after_s=SECOND_PROBE_AFTER_S, enough=lambda: len(failures) == PROBES_THAT_CLOSE)
        if len(failures) == PROBES_THAT_CLOSE and change(CLOSED):
            return Check(before, "closed", closed=True, failures=tuple(failures))
    elif before.state == CLOSED:
        up = answers(again_after_s=NEXT_PROBE_AFTER_S, enough=lambda: len(failures) == 1 and not waiting())
        if up and change(OPEN):
            return Check(before, "opened", closed=False, failures=tuple(failures))
    return Check(before, None, closed=before.state in (CLOSED, CLOSING), failures=tuple(failures))
