"""The benchmarks start as their pages say: from the repository's folder, with nothing on PYTHONPATH."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# These run in an environment of their own, with the other servers and the other engine.
THEIRS = {ROOT / "benchmarks" / "serving" / "apps", ROOT / "benchmarks" / "function" / "engines.py"}
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in (ROOT / "benchmarks").rglob("*.py")
    if not THEIRS & {path, *path.parents} and path.stem != "__init__"
)


@pytest.mark.torch
def test_every_module_of_the_benchmarks_finds_what_it_imports() -> None:
    """pytest puts more rooms on the path than a person's shell has."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    code = f"import importlib\nfor name in {MODULES!r}:\n    importlib.import_module(name)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert "benchmarks.serving.__main__" in MODULES
    assert (done.returncode, done.stderr) == (0, "")
