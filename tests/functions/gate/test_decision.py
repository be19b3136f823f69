"""When the gate closes and opens: the decision, with a world whose clock is wound by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from pipeline.gate.decision import (
    LEAST_TIME_S,
    NEXT_PROBE_AFTER_S,
    SECOND_PROBE_AFTER_S,
    Check,
    EventSourceMapping,
    Time,
    check,
)
from pipeline.queue.messages import backoff_s
from tests.functions.factories import NOON

TIMEOUT_S = 60.0  # the gate function's
PROBE_TIMEOUT_S = 20.0
MAX_RECEIVES = 10


def always(_: float) -> bool:
    return True


def never(_: float) -> bool:
    return False


@dataclass
class World:
    """A model server, a mapping and a queue; `answers`: does the server answer at this time, in seconds?"""

    state: str = "Enabled"
    answers: Callable[[float], bool] = always
    images: int = 0
    probe_takes_s: float = 0.1
    change_takes_s: float = 0.0  # until a change has come to its end; refused meanwhile
    now_s: float = 0.0
    settles_at_s: float = 0.0
    probes: list[float] = field(default_factory=list)
    changes: list[tuple[float, str]] = field(default_factory=list)
    counted: int = 0  # how often the messages of the queue were counted

    def mapping(self) -> EventSourceMapping:
        settled = self.now_s >= self.settles_at_s
        return EventSourceMapping(
            self.state if settled else {"Enabled": "Enabling", "Disabled": "Disabling"}[self.state], NOON
        )

    def probe(self) -> str | None:
        assert self.now_s < 10_000, "the probing never ends"
        self.probes.append(self.now_s)
        self.now_s += self.probe_takes_s
        return None if self.answers(self.now_s) else f"no answer at {self.now_s:.1f}"

    def waiting(self) -> int:
        self.counted += 1
        return self.images

    def change(self, state: str) -> bool:
        if self.now_s < self.settles_at_s:
            return False
        self.state, self.settles_at_s = state, self.now_s + self.change_takes_s
        self.changes.append((self.now_s, state))
        return True

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now_s += seconds

    def check(self, time_s: float = TIMEOUT_S) -> Check:
        ends_s = self.now_s + time_s
        return check(
            self.mapping(),
            probe=self.probe,
            waiting=self.waiting,
            change=self.change,
            time=Time(self.sleep, lambda: ends_s - self.now_s),
        )

    def check_every_minute(self, until_s: float) -> None:
        while self.now_s < until_s:
            begun_s = self.now_s
            self.check()
            assert self.now_s - begun_s < TIMEOUT_S, "the invocation was killed"
            self.now_s = begun_s + 60


def test_an_open_gate_before_a_server_that_answers_stays_open_after_one_probe() -> None:
    world = World(images=7)
    assert world.check() == Check(EventSourceMapping("Enabled", NOON), None, closed=False, failures=())
    assert (len(world.probes), world.changes, world.counted) == (1, [], 0)


def test_two_probes_that_fail_close_the_gate() -> None:
    world = World(answers=never)
    outcome = world.check()
    assert (outcome.change, outcome.closed, len(outcome.failures)) == ("closed", True, 2)
    assert world.probes == [0.0, 0.1 + SECOND_PROBE_AFTER_S]
    assert world.state == "Disabled"


def test_one_lost_request_closes_nothing() -> None:
    world = World(answers=lambda now_s: now_s > 1)
    outcome = world.check()
    assert (outcome.change, outcome.closed, outcome.failures) == (None, False, ("no answer at 0.1",))
    assert world.changes == []


def test_one_response_opens_a_closed_gate() -> None:
    world = World("Disabled", images=7)
    outcome = world.check()
    assert (outcome.change, outcome.closed, world.state) == ("opened", False, "Enabled")
    assert len(world.probes) == 1


def test_a_closed_gate_with_nothing_before_it_is_probed_once() -> None:
    """Cheap while the server is scaled to zero."""
    world = World("Disabled", answers=never)
    outcome = world.check()
    assert (outcome.change, outcome.closed, len(world.probes), world.counted) == (None, True, 1, 1)


def test_a_closed_gate_touches_the_queue_every_minute_so_that_cloudwatch_never_forgets_it() -> None:
    """SQS sends no figures of a queue that nobody used for six hours, and by them a server is started."""
    world = World("Disabled", answers=never)
    world.check_every_minute(until_s=1800)
    assert world.counted == 30


def test_a_server_that_comes_back_while_images_wait_is_noticed_within_seconds() -> None:
    world = World("Disabled", answers=lambda now_s: now_s >= 31, images=1)
    outcome = world.check()
    assert (outcome.change, outcome.closed) == ("opened", False)
    [(opened_s, _)] = world.changes
    assert 31 <= opened_s < 31 + NEXT_PROBE_AFTER_S + 2 * world.probe_takes_s
    assert world.counted == 1


@pytest.mark.parametrize("probe_takes_s", [0.01, 3.0, PROBE_TIMEOUT_S])
def test_no_probe_begins_without_the_time_to_end(probe_takes_s: float) -> None:
    world = World("Disabled", answers=never, images=1, probe_takes_s=probe_takes_s)
    world.check()
    assert all(begun_s <= TIMEOUT_S - LEAST_TIME_S for begun_s in world.probes)
    assert TIMEOUT_S - world.probes[-1] - probe_takes_s - NEXT_PROBE_AFTER_S < LEAST_TIME_S, "one more was possible"


def test_a_hung_server_closes_the_gate_within_one_invocation() -> None:
    world = World(answers=never, probe_takes_s=PROBE_TIMEOUT_S)
    assert world.check().change == "closed"
    assert world.now_s < TIMEOUT_S - LEAST_TIME_S


def test_without_time_for_a_second_probe_an_open_gate_stays_open() -> None:
    world = World(answers=never)
    outcome = world.check(time_s=LEAST_TIME_S)
    assert (outcome.change, outcome.closed, len(world.probes), world.changes) == (None, False, 1, [])


@pytest.mark.parametrize(
    ("state", "closed"),
    [("Creating", False), ("Enabling", False), ("Disabling", True), ("Updating", False), ("Deleting", False)],
)
def test_a_mapping_that_is_changing_is_left_to_the_next_check(state: str, closed: bool) -> None:
    world = World(state, answers=never, images=7)
    assert world.check() == Check(EventSourceMapping(state, NOON), None, closed=closed, failures=())
    assert (world.probes, world.changes) == ([], [])


@pytest.mark.parametrize(("state", "answers", "closed"), [("Enabled", never, False), ("Disabled", always, True)])
def test_a_change_that_is_refused_is_made_by_the_next_check(
    state: str, answers: Callable[[float], bool], closed: bool
) -> None:
    """Another check, or a deployment, changes the mapping between this check's first glance and its change."""
    world = World(state, answers=answers)
    glance, world.settles_at_s = world.mapping(), 10.0
    refused = check(
        glance,
        probe=world.probe,
        waiting=world.waiting,
        change=world.change,
        time=Time(world.sleep, lambda: 60 - world.now_s),
    )
    assert (refused.change, refused.closed, world.changes) == (None, closed, [])
    world.now_s = 60
    assert world.check().change == ("closed" if state == "Enabled" else "opened")


def test_a_server_that_flaps_faster_than_the_second_probe_closes_nothing() -> None:
    world = World(answers=lambda now_s: int(now_s / 2) % 2 == 1)  # two seconds away, two seconds there
    world.check_every_minute(until_s=600)
    assert (world.changes, len(world.probes)) == ([], 20)


def test_a_server_that_flaps_by_the_minute_is_followed_with_one_change_a_check() -> None:
    world = World(answers=lambda now_s: int(now_s / 120) % 2 == 0, images=7, change_takes_s=20)
    world.check_every_minute(until_s=1260)
    assert [state for _, state in world.changes] == ["Disabled", "Enabled"] * 5


DIES_S, RETURNS_S = 301.0, 301.0 + 3600  # a second after a tick: the worst moment


def an_hour_away(now_s: float) -> bool:
    return not DIES_S <= now_s < RETURNS_S


def receives_within(seconds: float) -> int:
    """How often one image is tried in vain in that time, if every back-off is drawn at its shortest."""
    receives, next_s = 0, 0.0
    while next_s <= seconds:
        receives += 1
        next_s += backoff_s(receives, lambda: 0.0)
    return receives


def test_an_outage_of_an_hour_costs_no_image_half_of_its_receives() -> None:
    world = World(answers=an_hour_away, images=7, change_takes_s=20)
    world.check_every_minute(until_s=RETURNS_S + 600)
    [(closed_s, closed), (opened_s, opened)] = world.changes
    assert (closed, opened) == ("Disabled", "Enabled")
    assert closed_s - DIES_S < 60 + SECOND_PROBE_AFTER_S + 1
    in_vain_s = closed_s + world.change_takes_s - DIES_S
    assert receives_within(in_vain_s) <= MAX_RECEIVES / 2
    assert receives_within(RETURNS_S - DIES_S) > MAX_RECEIVES, "without a gate, every image would be a dead letter"
    assert opened_s - RETURNS_S < 20, "noticed within seconds, at worst in the gap between two invocations"


def test_an_outage_of_an_hour_with_an_empty_queue_costs_one_probe_a_minute() -> None:
    world = World(answers=an_hour_away, change_takes_s=20)
    world.check_every_minute(until_s=RETURNS_S + 600)
    assert [state for _, state in world.changes] == ["Disabled", "Enabled"]
    minutes = round((RETURNS_S + 600) / 60)
    assert len(world.probes) <= minutes + 2
    assert world.changes[1][0] - RETURNS_S <= 60
