"""Redrive, reclassify and backfill in sentences and tables."""

from __future__ import annotations

from datetime import UTC, datetime

from pipeline.contracts import Backfill
from podium.care.reclassify import Plan
from podium.care.redrive import ReasonCount
from podium.shown.care import (
    REASONS_SHOWN,
    backfill_sentence,
    batch_of,
    reasons_table,
    reclassify_sentence,
    redrive_sentence,
)


def count(wanted: int, left: int = 0, *batches: str) -> ReasonCount:
    return ReasonCount(code="given_up", reason="[red]503", batches=batches, wanted=wanted, left=left)


def test_a_redrive_says_how_many_letters_moved() -> None:
    assert redrive_sentence([], dry_run=False) == "there are no dead letters."
    assert redrive_sentence([count(0, 3)], dry_run=False).startswith("none of the 3 dead letters matches")
    assert redrive_sentence([count(2, 1)], dry_run=False) == "2 dead letters are back on the queue, 1 stay."
    assert "would go back" in redrive_sentence([count(2, 1)], dry_run=True)


def test_the_batch_to_watch_is_the_one_that_all_moved_letters_are_of() -> None:
    assert batch_of([count(1, 0, "monday"), count(0, 1, "tuesday")]) == "monday"
    assert batch_of([count(1, 0, "monday"), count(1, 0, "tuesday")]) is None
    assert batch_of([count(1)]) is None


def test_a_table_of_reasons_ends_and_quotes_them_as_they_are() -> None:
    counts = [count(1, 2, f"batch-{n}") for n in range(REASONS_SHOWN + 5)]
    table = reasons_table(counts, dry_run=False)
    cells = [list(column.cells) for column in table.columns]
    assert [str(cell) for cell in cells[1]][:1] == ["[red]503"]
    assert [str(column[-1]) for column in cells] == ["...", "5 other reasons", "", "5", "10"]


def test_a_reclassification_says_how_many_images_it_leaves_out() -> None:
    sentence = reclassify_sentence(Plan((), already=2, never_seen=3), "balls@2.0", dry_run=True)
    assert sentence.startswith("0 images would go on the queue for balls@2.0; 2 have its row already")
    assert sentence.endswith("3 were rejected before any model saw them, and are left out.")


def report(**changes: object) -> Backfill:
    ordinary = {
        "job": "old-photos",
        "bucket": "my-photos",
        "prefix": "",
        "parts": 1,
        "closed_at": datetime(2026, 1, 1, tzinfo=UTC),
    }
    return Backfill.model_validate(ordinary | changes)


def test_a_backfill_says_how_many_images_it_skipped() -> None:
    assert backfill_sentence(report(enqueued=20)) == "20 images are on the queue."
    assert backfill_sentence(report(enqueued=20, already=40, markers=1)) == (
        "20 images are on the queue; 40 already have results, 1 are markers of folders."
    )
    assert backfill_sentence(report(already=40)) == "nothing to do: 40 already have results."
    assert backfill_sentence(report(missing=3), ["s3://b/a\x01.jpg", "s3://b/é.jpg"]) == (
        r"nothing to do: 3 are missing ('s3://b/a\x01.jpg', 's3://b/é.jpg', ...)."
    )
    assert backfill_sentence(report(missing=1), ["s3://b/a.jpg"]).endswith("1 are missing ('s3://b/a.jpg').")
    assert backfill_sentence(report()) == "nothing to do: there is no image."
