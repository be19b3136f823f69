"""An audit folder: audit.json, issues.csv, groups.csv, audit.html."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from training.audit.audit import Audit
from training.audit.issues import write_issues
from training.audit.page import write_page
from training.data.audited import GROUPS_HEADER
from training.data.tables import write_rows
from training.files import write_record


def write_audit(audit: Audit, folder: Path) -> None:
    """Write the record, the lists and the page, over those of an earlier audit."""
    folder.mkdir(parents=True, exist_ok=True)
    write_record(audit.report, folder / "audit.json")
    write_issues(audit.report, folder / "issues.csv")
    _write_groups(audit.report.groups, folder / "groups.csv")
    write_page(audit.report, audit.paths, folder / "audit.html")


def _write_groups(groups: Sequence[Sequence[str]], path: Path) -> None:
    """Every duplicated picture with the number of its group, for `groups=` of a training."""
    numbered = ((name, number) for number, group in enumerate(groups, start=1) for name in group)
    write_rows(path, GROUPS_HEADER, numbered)
