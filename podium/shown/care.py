"""What a person is told of images that were redriven, asked about again, or backfilled."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from pipeline.contracts import Backfill
from podium.care.reclassify import Plan
from podium.care.redrive import Kind

KINDS_SHOWN = 20


def kinds_table(kinds: Sequence[Kind], *, dry_run: bool) -> Table:
    """A line for each reason and batch, the most frequent first."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("code", "reason", "batch"):
        table.add_column(column, overflow="fold")
    for column in ("would move" if dry_run else "moved", "left"):
        table.add_column(column, justify="right")
    for kind in kinds[:KINDS_SHOWN]:
        told = (kind.code, kind.reason, ", ".join(kind.batches) or "-", str(kind.wanted), str(kind.left))
        table.add_row(*map(Text, told))  # a reason may quote anything
    if rest := kinds[KINDS_SHOWN:]:
        counts = (sum(kind.wanted for kind in rest), sum(kind.left for kind in rest))
        table.add_row("...", f"{len(rest)} other reasons", "", *map(str, counts))
    return table


def redriven(kinds: Sequence[Kind], *, dry_run: bool) -> str:
    """How many are back on the queue."""
    moved, left = sum(kind.wanted for kind in kinds), sum(kind.left for kind in kinds)
    if not kinds:
        return "there are no dead letters."
    if not moved:
        return f"none of the {left} dead letters matches; all are as they were."
    return f"{moved} dead letters {'would go' if dry_run else 'are'} back on the queue, {left} stay."


def batch_of(kinds: Sequence[Kind]) -> str | None:
    """The one batch of what was moved; None when there are several."""
    batches = {batch for kind in kinds if kind.wanted for batch in kind.batches}
    return batches.pop() if len(batches) == 1 else None


def reclassified(planned: Plan, model: str, *, dry_run: bool) -> str:
    """How many images another version is asked about, and why not the others."""
    said = f"{len(planned.orders)} images {'would go' if dry_run else 'are'} on the queue for {model}"
    if planned.already:
        said += f"; {planned.already} have their row of it already (--again asks all the same)"
    if planned.never_seen:
        said += f"; {planned.never_seen} were rejected before any model saw them, and are left out"
    return f"{said}."


def found(report: Backfill) -> str:
    """How many images of a bucket are on the queue, and why not the others."""
    skipped = {
        "already have results": report.already,
        "are missing": report.missing,
        "are markers of folders": report.markers,
    }
    told = ", ".join(f"{count} {what}" for what, count in skipped.items() if count)
    if report.enqueued == 0:
        return f"nothing to do: {told or 'there is no image'}."
    return f"{report.enqueued} images are on the queue" + (f"; {told}." if told else ".")
