"""`make` finds a Python 3.13 that runs, or says in one sentence what to do."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "requirements" / "find_python.py"
RUNS = os.path.realpath(sys.executable)
BROKEN_SHIM = "#!/bin/sh\necho 'pyenv: python3.13: command not found' >&2\nexit 127\n"


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def find(*words: str, path: Path, home: Path) -> subprocess.CompletedProcess[str]:
    """What the script prints with this PATH and this home."""
    environment = {"PATH": str(path), "HOME": str(home)}
    return subprocess.run(
        [RUNS, str(SCRIPT), *words], env=environment, capture_output=True, text=True, check=False, cwd=home
    )


def test_a_shim_that_runs_nothing_is_passed_over_for_the_python_in_pyenvs_folder(tmp_path: Path) -> None:
    program(tmp_path / "shims" / "python3.13", BROKEN_SHIM)
    program(tmp_path / "shims" / "python3", BROKEN_SHIM)
    installed = program(tmp_path / ".pyenv/versions/3.13.5/bin/python3.13", f'#!/bin/sh\nexec {RUNS} "$@"\n')
    found = find(path=tmp_path / "shims", home=tmp_path)
    assert (found.returncode, found.stdout) == (0, f"{RUNS}\n")
    assert installed.exists()


def test_a_later_python_on_path_counts_if_the_first_one_is_broken(tmp_path: Path) -> None:
    program(tmp_path / "first" / "python3.13", BROKEN_SHIM)
    program(tmp_path / "second" / "python3.13", f'#!/bin/sh\nexec {RUNS} "$@"\n')
    found = find(path=Path(f"{tmp_path / 'first'}:{tmp_path / 'second'}"), home=tmp_path)
    assert (found.returncode, found.stdout) == (0, f"{RUNS}\n")


def test_a_named_python_that_is_none_is_refused_in_a_sentence(tmp_path: Path) -> None:
    shim = program(tmp_path / "python3.13", BROKEN_SHIM)
    refused = find(str(shim), path=tmp_path, home=tmp_path)
    assert refused.returncode == 1
    assert "is none that runs: install Python 3.13" in refused.stderr


def test_if_none_is_installed_uv_fetches_one(tmp_path: Path) -> None:
    program(tmp_path / "bin" / "uv", f'#!/bin/sh\ncase "$2" in find) echo {RUNS};; *) exit 0;; esac\n')
    found = find(path=tmp_path / "bin", home=tmp_path)
    assert (found.returncode, found.stdout) == (0, f"{RUNS}\n")


def test_if_uv_cannot_fetch_one_either_a_sentence_says_what_to_do(tmp_path: Path) -> None:
    program(tmp_path / "bin" / "uv", "#!/bin/sh\nexit 2\n")
    refused = find(path=tmp_path / "bin", home=tmp_path)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "none was found, and uv could not fetch one; install Python 3.13" in refused.stderr


def test_python_3_9_can_run_the_script() -> None:
    ast.parse(SCRIPT.read_text(encoding="utf-8"), feature_version=(3, 9))
