"""How far reconcile has looked: most uploads once or twice, those without a result every hour of a day, all once a day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from pipeline.reconcile.progress import HELD_BACK, OVERLAP, Progress

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LOOK_BACK, OVERDUE_AFTER = timedelta(days=14), timedelta(minutes=30)


def begun(progress: Progress, now: datetime) -> Progress:
    return progress.started(now, look_back=LOOK_BACK, overdue_after=OVERDUE_AFTER)


def test_the_first_pass_is_deep_and_the_next_begins_where_everything_was_settled() -> None:
    first = begun(Progress(), NOON)
    assert first.looks_after == NOON - LOOK_BACK
    second = begun(first.stopped(None), NOON + HOUR)
    assert second.looks_after == NOON - OVERDUE_AFTER - OVERLAP


def test_a_day_later_it_is_deep_again_though_the_schedule_is_a_little_early() -> None:
    progress = begun(Progress(), NOON).stopped(None)
    deep = []
    for hours in range(1, 49):
        now = NOON + hours * HOUR - timedelta(minutes=2)
        progress = begun(progress, now)
        deep.append(progress.looks_after == now - LOOK_BACK)
        progress = progress.stopped(None)
    assert [hours + 1 for hours, it in enumerate(deep) if it] == [24, 48]


def test_an_upload_without_a_result_is_looked_at_every_hour_of_a_day() -> None:
    uploaded_at = NOON - HOUR
    progress, hours = Progress(), 0
    while True:
        now = NOON + hours * HOUR
        progress = begun(progress, now)
        if not progress.looks_after < uploaded_at:
            break
        progress = progress.with_open(uploaded_at).stopped(None)
        hours += 1
        if hours == 23:  # then a deep pass would look anyway
            return
    raise AssertionError(f"it was not looked at after {hours} hours")


def test_a_dead_letter_holds_the_passes_back_by_a_day_at_most() -> None:
    progress = begun(Progress(), NOON).with_open(NOON - 10 * DAY, tries_left=False).stopped(None)
    assert begun(progress, NOON + HOUR).looks_after == NOON - OVERDUE_AFTER - HELD_BACK - OVERLAP


def test_an_upload_behind_a_backlog_of_days_is_still_looked_at_every_hour() -> None:
    progress = begun(Progress(), NOON).with_open(NOON - 10 * DAY).stopped(None)
    assert begun(progress, NOON + HOUR).looks_after < NOON - 10 * DAY


def test_a_pass_that_stopped_goes_on_with_its_own_bounds() -> None:
    stopped = begun(Progress(), NOON).with_open(NOON - HOUR).stopped("incoming/m.jpg")
    again = begun(stopped, NOON + HOUR)
    assert again == stopped
    whole = again.stopped(None)
    assert whole.settled_until == NOON - HOUR
    assert whole.stopped_at is None


def test_a_place_that_an_older_version_wrote_without_bounds_is_a_new_deep_pass_which_ends() -> None:
    begun_anew = begun(Progress(stopped_at="incoming/m.jpg"), NOON)
    assert (begun_anew.stopped_at, begun_anew.looks_after) == (None, NOON - LOOK_BACK)
    assert begun_anew.stopped(None).stopped_at is None


@given(st.lists(st.tuples(st.integers(1, 180), st.booleans()), max_size=60), st.integers(0, 3000))
def test_no_upload_that_was_due_is_passed_over_before_it_was_looked_at(
    passes: list[tuple[int, bool]], uploaded_minute: int
) -> None:
    """Whenever passes run and wherever they stop: what was due when a pass began lies in it, or in one before."""
    uploaded_at = NOON + timedelta(minutes=uploaded_minute)
    progress, now, looked_at = begun(Progress(), NOON).stopped(None), NOON, False
    for minutes, whole in passes:
        now += timedelta(minutes=minutes)
        progress = begun(progress, now)
        due_before = progress.due_before
        assert due_before is not None
        if uploaded_at < due_before and not looked_at:
            assert progress.looks_after < uploaded_at
        if whole:
            looked_at = looked_at or uploaded_at < due_before
        progress = progress.stopped(None if whole else "key")
