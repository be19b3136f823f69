"""No locked version has a known vulnerability: pip-audit asks PyPI about every lock. Without PyPI's advisories, it is skipped."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.gates.running import GATES, run
from tests.gates.templates import ROOT

LOCKS = sorted([*(ROOT / "requirements").glob("*.txt"), ROOT / "functions" / "requirements.txt"])
# Vulnerabilities that are let be: the advisory's name, and why it does no harm here.
REASONS: dict[str, str] = {}


def audit(requirements: Path) -> list[dict[str, Any]]:
    """Every package with its vulnerabilities, or with the reason why PyPI does not know it."""
    audited = run(
        GATES / "pip-audit", "--requirement", requirements, "--disable-pip", "--no-deps", "--format", "json",
        "--progress-spinner", "off",
    )  # fmt: skip
    if not audited.stdout and "connect" in audited.stderr.lower():
        pytest.skip(f"PyPI cannot be reached from here: {audited.stderr.strip().splitlines()[-1]}")
    assert audited.stdout, audited.stderr
    packages: list[dict[str, Any]] = json.loads(audited.stdout)["dependencies"]
    return packages


def locked() -> list[list[str]]:
    """Every name==version of the locks, once, in lists that name no package twice."""
    pins = (
        re.match(r"[a-z0-9][\w.\[\],-]*==[^ ;\\]+", line) for lock in LOCKS for line in lock.read_text().splitlines()
    )
    versions = [list(same) for _, same in itertools.groupby(sorted({pin[0] for pin in pins if pin}), key=_name)]
    return [[pin for pin in row if pin] for row in itertools.zip_longest(*versions)]


def _name(pin: str) -> str:
    return re.split(r"[=\[]", pin)[0]


def vulnerable(packages: list[dict[str, Any]]) -> dict[str, str]:
    """Advisories of a report that nobody has let be, with the package and the versions that mend it."""
    return {
        found["id"]: f"{package['name']} {package['version']}, mended in {found['fix_versions'] or 'no version yet'}"
        for package in packages
        for found in package.get("vulns", [])
        if not REASONS.keys() & {found["id"], *found["aliases"]}
    }


@pytest.mark.tree
def test_no_locked_version_has_a_known_vulnerability(tmp_path: Path) -> None:
    requirements, pins = tmp_path / "requirements.txt", locked()
    requirements.write_text(pins[0][0])
    [first] = audit(requirements)
    if "skip_reason" in first:  # a mirror has packages, and no advisories
        pytest.skip(f"PyPI's advisories cannot be reached from here: {first['skip_reason']}")
    found: dict[str, str] = {}
    for once_each in pins:
        requirements.write_text("\n".join(once_each))
        found |= vulnerable(audit(requirements))
    assert found == {}


def test_every_locked_version_is_asked_about() -> None:
    pins = [pin for once_each in locked() for pin in once_each]
    assert {"torch", "boto3", "checkov", "pydantic"} <= {_name(pin) for pin in pins}
    assert all(len({*map(_name, once_each)}) == len(once_each) for once_each in locked())


def test_a_known_vulnerability_is_named_with_the_version_that_mends_it() -> None:
    """Of pip-audit's report, as `--format json` writes it."""
    found = {"id": "PYSEC-2023-74", "aliases": ["CVE-2023-32681"], "fix_versions": ["2.31.0"], "description": ""}
    packages: list[dict[str, Any]] = [
        {"name": "requests", "version": "2.30.0", "vulns": [found]},
        {"name": "torch", "skip_reason": "not found"},
    ]
    assert vulnerable(packages) == {"PYSEC-2023-74": "requests 2.30.0, mended in ['2.31.0']"}
