"""What `podium doctor` found, as a person and as a script read it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.text import Text

from podium.doctor.finding import Finding
from podium.shown.console import visible

TITLES = {"machine": "This machine", "account": "AWS, for both shapes", "gpu": "AWS, for the GPU path alone"}


def finding_lines(findings: Sequence[Finding]) -> Iterator[Text]:
    """A line for what is well, and for what is not the reason and the command below it."""
    part = ""
    for finding in findings:
        if finding.part != part:
            part = finding.part
            yield visible(TITLES[part], "bold")
        mark, style = ("ok  ", "green") if finding.is_well else ("mend", "yellow")
        yield visible("  " + mark, style).append_text(visible(f"  {finding.subject}: {finding.found}"))
        if not finding.is_well:
            yield visible(f"          why: {finding.why}", "dim")
            yield visible(f"          {finding.mend}")


def findings_document(findings: Sequence[Finding]) -> dict[str, object]:
    """The same for JSON."""
    return {
        "well": all(one.is_well for one in findings),
        "findings": [
            {
                "part": one.part,
                "subject": one.subject,
                "well": one.is_well,
                "found": one.found,
                "why": one.why,
                "mend": one.mend,
            }
            for one in findings
        ],
    }
