"""The findings as a list of files, one line each, that a person can sort, correct and use to leave files out."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from training.audit.records import AuditReport, Kind, Pair

COLUMNS = ("path", "issue", "severity", "other_path", "given", "suggested", "score", "note")


class Issue(NamedTuple):
    """What is wrong with one file. `error`: leave it out or correct it; `warning`: look; `notice`: good to know."""

    path: str
    issue: Kind
    severity: str
    other_path: str
    given: str
    suggested: str
    score: float | str  # duplicates: correlation; labels: probability of the given one; outliers: what was measured
    note: str


def write_issues(report: AuditReport, path: Path) -> None:
    """Write every finding as CSV."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(issues_of(report))


def issues_of(report: AuditReport) -> Iterator[Issue]:
    """Every finding, the gravest kinds first.

    Of a picture that is twice only the file to leave out is listed; where the two have different labels, both are.
    """
    for file in report.unreadable:
        yield Issue(file.path, "corrupt", "error", "", file.label, "", "", f"{file.code}: {file.reason}")
    for pair in report.pairs:
        yield from _of_pair(pair)
    for suspect in report.labels.suspects:
        note = f"{suspect.suggested} has probability {suspect.suggested_probability:.2f}"
        given, suggested, score = suspect.given, suspect.suggested, suspect.given_probability
        yield Issue(suspect.path, "label", "warning", "", given, suggested, score, note)
    for outlier in report.outliers:
        note = f"{outlier.kind}, limit {outlier.limit:g}"
        yield Issue(outlier.path, "outlier", "notice", "", outlier.label, "", outlier.value, note)


def _of_pair(pair: Pair) -> Iterator[Issue]:
    how = "same bytes" if pair.same_bytes else "nearly the same, mirrored" if pair.mirrored else "nearly the same"
    note = f"{how}; {pair.drop_split} and {pair.keep_split}" if pair.leaks else how
    if pair.leaks:
        yield Issue(pair.drop, "leak", "error", pair.keep, pair.drop_label, "", pair.correlation, note)
    if pair.conflicts:
        yield Issue(pair.drop, "conflict", "error", pair.keep, pair.drop_label, pair.keep_label, pair.correlation, note)
        yield Issue(pair.keep, "conflict", "error", pair.drop, pair.keep_label, pair.drop_label, pair.correlation, note)
    if not pair.leaks and not pair.conflicts:
        kind: Kind = "duplicate" if pair.same_bytes else "near_duplicate"
        yield Issue(pair.drop, kind, "warning", pair.keep, pair.drop_label, "", pair.correlation, note)
