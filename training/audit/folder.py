"""An audit folder: audit.json, issues.csv, audit.html."""

from __future__ import annotations

from pathlib import Path

from training.audit.audit import Audit
from training.audit.issues import write_issues
from training.audit.page import write_page
from training.model_file import write_atomically


def write_audit(audit: Audit, folder: Path) -> None:
    """Write the record, the list and the page; what an earlier audit left there is replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(audit.report.model_dump_json(indent=1) + "\n", folder / "audit.json")
    write_issues(audit.report, folder / "issues.csv")
    write_page(audit.report, audit.paths, folder / "audit.html")
