"""Results as a table with accuracy, as CSV or as one JSON document."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from typing import Literal

from rich.table import Table
from rich.text import Text

from inference.harmless import harmless_cell
from pipeline.contracts import INCOMING_PREFIX, Row
from podium.batches.results import Found
from podium.shown.console import answer, class_cells, plain_table, print_json, print_line, print_note, visible

STEPS = 3  # of the podium
NAMED = 5  # uncertain images, under a table


def show_rows(found: Found, form: Literal["table", "json", "csv"] = "table", *, truth: bool = False) -> None:
    """The rows on stdout; with `truth`, the folder that an image lies in is its true label.

    Sentences stand under a table, and on stderr beside what a program reads.
    """
    rows = found.rows
    if form == "json":
        print_json([_document(row, truth=truth) for row in rows])
    elif form == "csv":
        print_csv(rows, truth=truth)
    elif rows:
        answer.print(results_table(rows, truth=truth))
    say = print_line if form == "table" else print_note
    if not rows:
        print_note("no rows match.")
    elif found.next is not None:
        say(f"{found.in_words}. The next ones: --after {found.next}")
    elif not found.is_whole:
        say(f"{found.in_words}. --limit N shows more; without it, --format csv and json have all.")
    if rows and form == "table" and (doubts := uncertain_line(rows)):
        say(doubts)
    if truth and (accuracy := accuracy_line(rows)):
        say(accuracy)


def print_csv(rows: Sequence[Row], *, truth: bool = False) -> None:
    """One line per image on stdout, the podium's three steps side by side; `truth` adds two columns."""
    columns = ["image", "model", "status", "label", "probability", "label2", "probability2", "label3", "probability3"]
    writer = csv.writer(sys.stdout)
    columns += ["uncertain", "rejected_code", "rejected_reason", "classified_at"]
    writer.writerow([*columns, "truth", "correct"] if truth else columns)
    for row in rows:
        steps = [value for step in row.top3[:STEPS] for value in (step.label, step.probability)]
        cells: list[object] = [
            *(row.image, row.model, row.status, *steps, *[""] * (2 * STEPS - len(steps))),
            *(row.uncertain, row.rejected_code, row.rejected_reason, row.classified_at.isoformat()),
        ]
        if truth:
            cells += _truth_of(row).values()
        writer.writerow(map(harmless_cell, cells))


def _document(row: Row, *, truth: bool) -> dict[str, object]:
    return row.model_dump(mode="json") | (_truth_of(row) if truth else {})


def _truth_of(row: Row) -> dict[str, object]:
    label = true_label(row)
    return {"truth": label, "correct": row.label == label if label and row.status == "classified" else None}


def results_table(rows: Sequence[Row], *, truth: bool = False) -> Table:
    """Image and podium, a line each; `?` marks an uncertain one, and `truth` adds the true label."""
    table = plain_table()
    table.add_column("image", overflow="fold")
    if truth:
        table.add_column("truth", no_wrap=True)
    table.add_column("1st", no_wrap=True)
    table.add_column("?")
    table.add_column("2nd")
    table.add_column("3rd")
    for row in rows:
        first, second, third = _podium_cells(row)
        if truth and row.status == "classified":
            first.append(" ✓" if row.label == true_label(row) else " ✗" if true_label(row) else "")
        image = [visible(short_name(row.image)), *([visible(true_label(row) or "")] if truth else [])]
        table.add_row(*image, first, "?" if row.uncertain else "", second, third)
    return table


def uncertain_line(rows: Sequence[Row]) -> str | None:
    """How many images a person should look at, and the first of them; None if there is none."""
    names = [short_name(row.image) for row in rows if row.uncertain]
    if not names:
        return None
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"? {len(names)} of {len(rows)} uncertain: {', '.join(names[:NAMED])}{more}. --uncertain shows only these."


def accuracy_line(rows: Sequence[Row]) -> str | None:
    """Top-1 and top-3 against the folders' names; None when no row lies in a folder of its own."""
    known = [(row, true_label(row)) for row in rows if row.status == "classified" and true_label(row)]
    if not known:
        return None
    top1 = sum(row.label == truth for row, truth in known)
    top3 = sum(truth in {step.label for step in row.top3} for row, truth in known)
    return f"top-1 {top1}/{len(known)} = {top1 / len(known):.1%}, top-3 {top3}/{len(known)} = {top3 / len(known):.1%}"


def true_label(row: Row) -> str | None:
    """The name of the folder inside the batch that an image lies in."""
    folders = short_name(row.image).split("/")[:-1]
    return folders[-1] if folders else None


def short_name(image: str) -> str:
    """`s3://bucket/incoming/batch/folder/name` -> `folder/name`."""
    _, _, key = image.removeprefix("s3://").partition("/")
    return key.removeprefix(INCOMING_PREFIX).partition("/")[2] or key


def _podium_cells(row: Row) -> list[Text]:
    if row.status == "rejected":
        return [visible("rejected", "red"), visible(row.rejected_reason or ""), visible("")]
    classes = [(step.label, step.probability) for step in row.top3[:STEPS]]
    cells = class_cells(classes, uncertain=bool(row.uncertain))
    return cells + [visible("")] * (STEPS - len(cells))
