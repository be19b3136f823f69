"""Print the path of a Python 3.13 that runs, for `make`; fetch one with uv if there is none. Runs on Python 3.9 or later.

python3 requirements/find_python.py [PYTHON]
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from pathlib import Path

WANTED = "3.13"  # the functions' Runtime in template.yaml; the locks resolve for it
ANSWER_S = 30
# A virtual environment needs ensurepip, which Debian packages apart. The free-threaded build takes other wheels.
CHECK = (
    "import ensurepip, sys, sysconfig, venv\n"
    f"fits = '%d.%d' % sys.version_info[:2] == '{WANTED}' and not sysconfig.get_config_var('Py_GIL_DISABLED')\n"
    "sys.stdout.write(sys._base_executable if fits else '')\n"
)
ADVICE = f"install Python {WANTED} (`pyenv install {WANTED}`, or your system's package with its venv module), or say where it is: make PYTHON=/path/to/python{WANTED}"


def main(given: str) -> str:
    """The path of the Python that `given` names, else of the first one that is found, else of one that uv fetches."""
    if given:
        found = runs(given)
        if found is None:
            raise SystemExit(f"Podium needs Python {WANTED}, and {given!r} is none that runs: {ADVICE}.")
        return found
    return next(filter(None, map(runs, candidates())), None) or fetched()


def candidates() -> Iterator[str]:
    """Programs that may be the wanted Python: every one on PATH by its name, then pyenv's, whatever its shims say."""
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    for name in (f"python{WANTED}", "python3", "python"):
        yield from (str(path) for folder in folders if folder and (path := Path(folder, name)).exists())
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from map(str, sorted(pyenv.glob(f"versions/{WANTED}*/bin/python{WANTED}"), reverse=True))


def runs(program: str) -> str | None:
    """Its path, if it is the wanted Python and runs: a pyenv shim may stand for a version that is not installed."""
    try:
        done = subprocess.run([program, "-c", CHECK], capture_output=True, text=True, timeout=ANSWER_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def fetched() -> str:
    """The path of a Python that uv has or downloads; uv comes from PATH, or from the index by its locked hash."""
    with tempfile.TemporaryDirectory() as folder:
        uv = shutil.which("uv") or installed_uv(Path(folder))
        sys.stderr.write(f"no Python {WANTED} is installed: uv fetches one\n")
        done = subprocess.run([uv, "python", "install", WANTED], check=False) if uv else None
        if uv and done and done.returncode == 0:
            find = [uv, "python", "find", "--managed-python", WANTED]
            found = subprocess.run(find, capture_output=True, text=True, check=False).stdout.strip()
            if path := runs(found):
                return path
    raise SystemExit(f"Podium needs Python {WANTED}: none was found, and uv could not fetch one; {ADVICE}.")


def installed_uv(folder: Path) -> str | None:
    """uv in a virtual environment of this Python's own; None if that fails."""
    try:
        venv.create(folder, with_pip=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    lock = Path(__file__).with_name("bootstrap.txt")
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run([*pip, "--require-hashes", "-r", str(lock)], check=False)
    return str(folder / "bin" / "uv") if done.returncode == 0 else None


if __name__ == "__main__":
    sys.stdout.write(main(sys.argv[1] if len(sys.argv) > 1 else "") + "\n")
