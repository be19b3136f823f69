"""`podium --version`."""

from __future__ import annotations

import tomllib

from podium.project import ROOT
from tests.podium.commands.console import podium


def test_the_version_is_the_projects() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert podium("--version").output == f"podium {project['version']}\n"
