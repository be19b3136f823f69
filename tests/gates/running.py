"""The tools of .venv-gates and of the project's own environment, run as a person would run them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.gates.templates import ROOT

GATES = ROOT / ".venv-gates" / "bin"
OWN = Path(sys.executable).parent


def run(tool: Path, *arguments: str | Path, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run it in the repository's folder, without the project on its path and without a request to anybody but PyPI."""
    assert tool.exists(), f"{tool} is missing: `make install` makes .venv-gates"
    settings = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [str(tool), *map(str, arguments)], cwd=folder, env={**settings, "PYTHONWARNINGS": "ignore"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
