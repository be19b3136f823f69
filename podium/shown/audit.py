"""An audit as a person and as a script read it: tables, the first findings, sentences.

The command's help lists the kinds of findings, so this imports rich only when it draws.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from training.audit.records import AuditReport, Kind

MOST_CLASSES = 25  # as many as a person reads; the page has them all
FIRST_FEW = 3
MEANS: dict[Kind, str] = {
    "corrupt": "files that cannot be read; a training sets them aside",
    "leak": "pictures in two splits: measured accuracy would be too good",
    "conflict": "pictures with two labels: one of them is wrong",
    "duplicate": "files with the bytes of another",
    "near_duplicate": "pictures nearly the same as another",
    "label": "labels that a frozen network finds unlikely: look at them",
    "outlier": "odd in size, shape, light or sharpness",
}


def show_audit(report: AuditReport, folder: Path, *, own_splits: bool, as_json: bool) -> None:
    """The report, on stdout and stderr; `own_splits`: the data names its splits itself."""
    from podium.shown.console import answer, print_json, print_line, print_note

    if as_json:
        print_json({"folder": str(folder), "counts": report.counts(), **report.model_dump(mode="json")})
    else:
        for table in (classes_table(report), findings_table(report)):
            answer.print(table)
            answer.print()
        for finding in first_few(report):
            print_line(finding)
    for sentence in audit_notes(report):
        print_note(sentence)
    print_note(f"look at {folder / 'audit.html'}; every finding is in {folder / 'issues.csv'}")
    for sentence in what_next(report, folder, own_splits=own_splits):
        print_note(sentence)


def classes_table(report: AuditReport) -> Table:
    """Files of each class and split, the smallest classes first."""
    from podium.shown.console import plain_table

    splits = tuple(report.classes[0].of)
    table = plain_table("class", numbers=(*splits, "files") if len(splits) > 1 else ("files",))
    smallest_first = sorted(report.classes, key=lambda one: (one.images, one.label))
    for one in smallest_first[:MOST_CLASSES]:
        style = "red" if not all(one.of.values()) else None
        counts = (*one.of.values(), one.images) if len(splits) > 1 else (one.images,)
        table.add_row(one.label, *map(str, counts), style=style)
    if (more := len(report.classes) - MOST_CLASSES) > 0:
        table.add_row(f"and {more} larger ones")
    return table


def findings_table(report: AuditReport) -> Table:
    """How many findings of each kind, and what they mean."""
    from podium.shown.console import plain_table

    table = plain_table("finding", numbers=("count",))
    table.add_column("meaning")
    for kind, count in report.counts().items():
        skipped = report.labels.skipped if kind == "label" else None
        table.add_row(kind, "-" if skipped else str(count), skipped or MEANS[kind], style=None if count else "dim")
    return table


def first_few(report: AuditReport) -> Iterator[str]:
    """The first findings of the kinds that cost accuracy, a line each."""
    from training.audit.issues import issues_of

    shown: dict[Kind, int] = {}
    for issue in issues_of(report):
        shown[issue.issue] = shown.get(issue.issue, 0) + 1
        if issue.severity == "notice" or shown[issue.issue] > FIRST_FEW:
            continue
        other = f" = {issue.other_path}" if issue.other_path else ""
        suggested = f", rather {issue.suggested}" if issue.suggested else ""
        yield f"{issue.issue}: {issue.path}{other} ({issue.given}{suggested}; {issue.note})"


def audit_notes(report: AuditReport) -> Iterator[str]:
    """Size, balance and formats of the data, a sentence each."""
    from training.sentences import plural

    facts = report.formats
    rate = report.images / max(report.seconds["reading"], 0.01)
    yield f"{report.images} files in {sum(report.seconds.values()):.0f} s, {rate:.0f} a second"
    if report.imbalance is None:
        yield "a class has no photo to train on: add photos, or remove its folder"
    else:
        yield f"the largest class has {report.imbalance:g} times the photos of the smallest"
    modes = ", ".join(f"{count} {mode}" for mode, count in facts.modes.items())
    yield f"colour modes: {modes}; {facts.colourless} grey but stored in colour; {facts.turned} turned by EXIF"
    if report.split == "none yet" and report.groups:
        pictures = plural(len(report.groups), "picture is", "pictures are")
        yield f"{pictures} there more than once: a random split would put some on both sides"


def what_next(report: AuditReport, folder: Path, *, own_splits: bool) -> Iterator[str]:
    """How to train if pictures are nearly the same, or in two splits."""
    counts = report.counts()
    if counts["leak"] and own_splits:
        yield (
            "groups leave the data's own splits as they are: against these leaks, save the leak lines of"
            f" {folder / 'issues.csv'} as leaks.csv, its header too, and add exclude=leaks.csv"
        )
    if counts["leak"] or counts["near_duplicate"]:
        yield "next: " + shlex.join(["podium", "train", report.data, f"groups={folder / 'groups.csv'}"])
