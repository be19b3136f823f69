"""What the ledger keeps about a batch, and what follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise

import boto3
import pytest

from pipeline.batches.ledger import LOOK_EVERY_AT_MOST, QUIET_AFTER, Entry, Ledger
from pipeline.contracts import stamp
from tests.functions.conftest import LEDGER, Aws
from tests.functions.factories import NOON
from tests.functions.finish.finishing import finishing

MINUTE = timedelta(minutes=1)


@pytest.fixture
def ledger(aws: Aws, aws_session: boto3.Session) -> Iterator[Ledger]:
    with finishing(aws, aws_session) as desk:
        yield desk.looker.ledger


def opened(ledger: Ledger, revision: str = "r1", expected: int = 10, now: datetime = NOON) -> Entry:
    ledger.open("monday", expected=expected, revision=revision, now=now)
    return found(ledger)


def found(ledger: Ledger) -> Entry:
    entry = ledger.read("monday")
    assert entry is not None
    return entry


def test_rows_are_counted_before_and_after_a_batch_is_opened(ledger: Ledger) -> None:
    ledger.count("monday", 2, NOON)
    assert ledger.read("monday") is None
    entry = opened(ledger)
    assert (entry.counted, entry.expected, entry.is_due) == (2, 10, False)
    ledger.count("monday", 8, NOON + MINUTE)
    entry = found(ledger)
    assert (entry.counted, entry.is_due, entry.updated_at) == (10, True, NOON + MINUTE)


def test_opening_a_batch_again_as_it_is_changes_nothing_that_matters(ledger: Ledger) -> None:
    entry = opened(ledger)
    assert opened(ledger, now=NOON + MINUTE) == entry.model_copy(update={"updated_at": NOON + MINUTE})
    ledger.complete(entry, NOON)
    assert not opened(ledger).is_open


def test_an_incomplete_batch_is_due_when_what_was_missing_is_counted(ledger: Ledger) -> None:
    opened(ledger)
    ledger.count("monday", 10, NOON)
    ledger.look_again(found(ledger), at_count=13)
    assert not found(ledger).is_due
    ledger.count("monday", 3, NOON)
    assert found(ledger).is_due


def test_what_was_missing_of_an_earlier_revision_says_nothing_about_this_one(ledger: Ledger) -> None:
    earlier = opened(ledger)
    ledger.look_again(earlier, at_count=99)
    opened(ledger, "r2")
    assert found(ledger).look_at is None
    ledger.look_again(earlier, at_count=99)
    assert found(ledger).look_at is None


def test_a_claim_is_given_once_until_it_is_over(ledger: Ledger) -> None:
    entry = opened(ledger)
    assert ledger.claim(entry, NOON, until=NOON + MINUTE)
    assert not ledger.claim(entry, NOON + MINUTE / 2, until=NOON + 2 * MINUTE)
    assert ledger.claim(entry, NOON + 2 * MINUTE, until=NOON + 3 * MINUTE)


def test_a_claim_that_is_given_back_is_given_again(ledger: Ledger) -> None:
    entry = opened(ledger)
    assert ledger.claim(entry, NOON, until=NOON + MINUTE)
    ledger.release(entry)
    assert ledger.claim(entry, NOON, until=NOON + MINUTE)


def test_what_is_complete_or_out_of_date_cannot_be_claimed(ledger: Ledger) -> None:
    first = opened(ledger)
    ledger.complete(first, NOON)
    assert not ledger.claim(first, NOON, until=NOON + MINUTE)
    second, third = opened(ledger, "r2"), opened(ledger, "r3")
    assert not ledger.claim(second, NOON, until=NOON + MINUTE)
    assert ledger.claim(third, NOON, until=NOON + MINUTE)


def test_open_batches_are_those_that_expect_something_and_are_not_complete(ledger: Ledger) -> None:
    for batch in ("open", "complete", "grown"):
        ledger.open(batch, expected=1, revision="r1", now=NOON)
    ledger.count("never opened", 1, NOON)
    ledger.dynamodb.put_item(TableName=LEDGER, Item={"id": {"S": "reconcile/cursor"}, "expected": {"N": "1"}})
    for batch in ("complete", "grown"):
        entry = ledger.read(batch)
        assert entry is not None
        ledger.complete(entry, NOON)
    ledger.open("grown", expected=2, revision="r2", now=NOON)
    assert sorted(entry.batch for entry in ledger.open_batches()) == ["grown", "open"]


def entry(**changes: object) -> Entry:
    ordinary = {"id": "batch/monday", "expected": 10, "revision": "r", "updated_at": NOON}
    return Entry.model_validate(ordinary | changes)


def test_a_batch_in_which_nothing_happens_is_looked_at_after_five_minutes_and_then_ever_more_rarely() -> None:
    looks, now = [NOON], NOON
    while now < NOON + timedelta(days=5):
        now += MINUTE
        if entry(looked_at=looks[-1]).is_quiet(now):
            looks.append(now)
    waits = [after - before for before, after in pairwise(looks)]
    assert waits[:5] == [QUIET_AFTER, QUIET_AFTER, 2 * QUIET_AFTER, 4 * QUIET_AFTER, 8 * QUIET_AFTER]
    assert waits[-1] == LOOK_EVERY_AT_MOST


def test_a_row_makes_a_quiet_batch_lively_again() -> None:
    was_looked_at = {"looked_at": NOON + timedelta(hours=5)}
    assert entry(**was_looked_at, updated_at=NOON + timedelta(hours=6)).is_quiet(NOON + timedelta(hours=6, minutes=5))
    assert not entry(**was_looked_at).is_quiet(NOON + timedelta(hours=6, minutes=5))


@pytest.mark.parametrize("changes", [{"completed_revision": "r"}, {"announcing_until": NOON + 99 * MINUTE}])
def test_a_batch_that_is_complete_or_being_announced_is_not_worth_a_look(changes: dict[str, object]) -> None:
    assert entry(counted=10).is_worth_a_look(NOON + 60 * MINUTE)
    assert not entry(counted=10, **changes).is_worth_a_look(NOON + 60 * MINUTE)


def test_moments_are_written_so_that_their_text_sorts_as_they_do() -> None:
    moments = [NOON + timedelta(microseconds=us) for us in (0, 1, 999_999, 1_000_000)]
    texts = [stamp(moment) for moment in moments]
    assert (sorted(texts), {len(text) for text in texts}) == (texts, {27})
