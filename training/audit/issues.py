"""The findings of an audit as a table, one file a line, which a person can sort and correct, and `exclude=` reads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from training.audit.records import AuditReport, DuplicatePair, Kind
from training.data.tables import write_rows

COLUMNS = ("path", "issue", "severity", "other_path", "given", "suggested", "score", "note")


class Issue(NamedTuple):
    """A finding about one file. `error`: leave it out or correct it; `warning`: look at it; `notice`: good to know."""

    path: str
    issue: Kind
    severity: str
    other_path: str
    given: str
    suggested: str
    score: float | str  # duplicates: correlation; labels: probability of the given one; outliers: the measured value
    note: str


def write_issues(report: AuditReport, path: Path) -> None:
    """Write every finding as CSV."""
    write_rows(path, COLUMNS, issues_of(report))


def issues_of(report: AuditReport) -> Iterator[Issue]:
    """Every finding, the most serious kinds first.

    Of two duplicates, only the file to leave out is listed; if they have different labels, both are.
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


def _of_pair(pair: DuplicatePair) -> Iterator[Issue]:
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
