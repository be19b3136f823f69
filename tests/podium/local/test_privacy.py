"""The project's home is its owner's alone."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

KEEP = "import sys; from pathlib import Path; from podium.local.privacy import keep_private; keep_private(Path(sys.argv[1]))"


def keep_private(home: Path, then: str = "") -> None:
    """In a process of its own: what it may do to files is a setting of the whole process."""
    subprocess.run([sys.executable, "-c", f"{KEEP}; {then}", str(home)], check=True)


def mode(path: Path) -> str:
    return oct(stat.S_IMODE(path.lstat().st_mode))


def test_what_is_there_is_taken_from_others_and_keeps_what_its_owner_may_do(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "emulator" / "state").mkdir(parents=True)
    for name, open_to_all in (("local.json", 0o644), ("emulator/state/sqs.json", 0o666), ("run.sh", 0o755)):
        (home / name).touch()
        (home / name).chmod(open_to_all)
    home.chmod(0o777)
    keep_private(home)
    assert {mode(path) for path in (home, home / "emulator", home / "emulator" / "state", home / "run.sh")} == {"0o700"}
    assert {mode(path) for path in (home / "local.json", home / "emulator" / "state" / "sqs.json")} == {"0o600"}


def test_what_is_written_from_then_on_is_private_too(tmp_path: Path) -> None:
    home = tmp_path / "home"
    keep_private(home, "import subprocess; subprocess.run(['sh', '-c', 'mkdir $0/a; touch $0/a/b', sys.argv[1]])")
    assert (mode(home), mode(home / "a"), mode(home / "a" / "b")) == ("0o700", "0o700", "0o600")


def test_a_link_out_of_the_home_changes_nothing_outside(tmp_path: Path) -> None:
    outside, home = tmp_path / "photos", tmp_path / "home"
    outside.mkdir()
    home.mkdir()
    (outside / "a.jpg").touch()
    for path, open_to_all in ((outside, 0o755), (outside / "a.jpg", 0o644)):
        path.chmod(open_to_all)
    (home / "photos").symlink_to(outside)
    (home / "a.jpg").symlink_to(outside / "a.jpg")
    (home / "nowhere").symlink_to(home / "gone")
    keep_private(home)
    assert (mode(outside), mode(outside / "a.jpg")) == ("0o755", "0o644")


def test_the_ports_and_the_key_of_the_stack_are_private_from_the_first(tmp_path: Path) -> None:
    save = (
        "import os; os.umask(0); from podium.project import LocalStack; "
        "LocalStack(emulator_port=1, inference_port=2, management_port=3, metrics_port=4, secret='s').save()"
    )
    home = tmp_path / "home"
    subprocess.run([sys.executable, "-c", save], env={**os.environ, "PODIUM_HOME": str(home)}, check=True)
    assert {mode(path) for path in home.iterdir()} == {"0o600"}
    assert mode(home) == "0o700"
