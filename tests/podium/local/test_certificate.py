"""The certificate of the embedded AWS is made once, and again when a file of it is damaged."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

MAKE = "from podium.local.certificate import make_certificate; print(make_certificate())"


def make(home: Path) -> bool:
    env = {**os.environ, "PODIUM_HOME": str(home)}
    return subprocess.check_output([sys.executable, "-c", MAKE], env=env, text=True) == "True\n"


@pytest.mark.parametrize("name", ["ca.pem", "server.pem", "server-key.pem"])
def test_a_damaged_file_makes_all_of_it_anew(tmp_path: Path, name: str) -> None:
    assert make(tmp_path)
    assert not make(tmp_path)
    path = tmp_path / "tls" / name
    for damaged in (b"", path.read_bytes()[:100], b"\0" * 100):
        path.write_bytes(damaged)
        assert make(tmp_path)
        assert not make(tmp_path)
    path.unlink()
    assert make(tmp_path)
    assert {oct(it.stat().st_mode & 0o777) for it in (tmp_path / "tls").iterdir()} == {"0o600"}


def test_a_key_of_another_certificate_is_damage(tmp_path: Path) -> None:
    make(tmp_path / "a")
    make(tmp_path / "b")
    (tmp_path / "a" / "tls" / "server-key.pem").write_bytes((tmp_path / "b" / "tls" / "server-key.pem").read_bytes())
    assert make(tmp_path / "a")
