"""Redrive, reclassify and backfill as a person and as a script read them."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from pipeline.contracts import Backfill
from podium.care.backfill import Begun, Execution
from podium.care.reclassify import Plan
from podium.care.redrive import ReasonCount
from podium.shown.console import plain_table, visible

REASONS_SHOWN = 20


def reasons_table(counts: Sequence[ReasonCount], *, dry_run: bool) -> Table:
    """A line for each reason and batch, the most frequent first."""
    table = plain_table("code", "reason", "batch", numbers=("would move" if dry_run else "moved", "left"))
    for one in counts[:REASONS_SHOWN]:
        cells = (one.code, one.reason, ", ".join(one.batches) or "-", str(one.wanted), str(one.left))
        table.add_row(*map(visible, cells))  # a reason may quote anything
    if rest := counts[REASONS_SHOWN:]:
        sums = (sum(one.wanted for one in rest), sum(one.left for one in rest))
        table.add_row("...", f"{len(rest)} other reasons", "", *map(str, sums))
    return table


def redrive_document(counts: Sequence[ReasonCount], *, dry_run: bool) -> dict[str, object]:
    """A redrive, for JSON."""
    return {
        "dry_run": dry_run,
        "moved": 0 if dry_run else sum(one.wanted for one in counts),
        "left": sum(one.left + (one.wanted if dry_run else 0) for one in counts),
        "kinds": [one.model_dump(mode="json") for one in counts],
    }


def redrive_sentence(counts: Sequence[ReasonCount], *, dry_run: bool) -> str:
    """How many dead letters are back on the queue."""
    moved, left = sum(one.wanted for one in counts), sum(one.left for one in counts)
    if not counts:
        return "there are no dead letters."
    if not moved:
        return f"none of the {left} dead letters matches; all stay."
    return f"{moved} dead letters {'would go' if dry_run else 'are'} back on the queue, {left} stay."


def batch_of(counts: Sequence[ReasonCount]) -> str | None:
    """The one batch of all that moved; None when there are several."""
    batches = {batch for one in counts if one.wanted for batch in one.batches}
    return batches.pop() if len(batches) == 1 else None


def reclassify_document(planned: Plan, model: str, *, dry_run: bool) -> dict[str, object]:
    """A reclassification, for JSON."""
    return {
        "model": model,
        "dry_run": dry_run,
        "images": len(planned.orders),
        "already": planned.already,
        "never_seen": planned.never_seen,
    }


def reclassify_sentence(planned: Plan, model: str, *, dry_run: bool) -> str:
    """How many images go on the queue for a model version, and why the others do not."""
    sentence = f"{len(planned.orders)} images {'would go' if dry_run else 'are'} on the queue for {model}"
    if planned.already:
        sentence += f"; {planned.already} have its row already (--again includes them)"
    if planned.never_seen:
        sentence += f"; {planned.never_seen} were rejected before any model saw them, and are left out"
    return f"{sentence}."


def begun_sentences(begun: Begun, manifest: object) -> list[str]:
    """That a backfill has begun, and what it lists."""
    named = [] if begun.named is None else [f"{manifest} names {begun.named} images"]
    location = f"s3://{begun.source.bucket}/{begun.source.prefix}"
    return [*named, f"backfill {begun.job} lists {location}; it goes on without this console"]


def enqueueing_note(now: Execution) -> str:
    """What a person should know beside the count: how many failed, and why it pauses."""
    return "; ".join(it for it in (f"{now.failed} failed" if now.failed else "", now.pause) if it)


def backfill_document(job: str, last: Execution, report: Backfill | None) -> dict[str, object]:
    """A backfill that has ended, for JSON."""
    found = report.model_dump(mode="json") if report else None
    return {"job": job, "status": last.status, "failed": last.failed, "report": found}


def backfill_sentence(report: Backfill, missing: Sequence[str] = ()) -> str:
    """How many images of a bucket are on the queue, and why the others are not; `missing` are the first that are not there."""
    examples = ", ".join(map(repr, missing)) + (", ..." if len(missing) < report.missing else "")
    skipped = {
        "already have results": report.already,
        f"are missing ({examples})" if missing else "are missing": report.missing,
        "are markers of folders": report.markers,
    }
    why = ", ".join(f"{count} {what}" for what, count in skipped.items() if count)
    if report.enqueued == 0:
        return f"nothing to do: {why or 'there is no image'}."
    return f"{report.enqueued} images are on the queue" + (f"; {why}." if why else ".")
