"""A home whose files are damaged: every command says what is wrong, and what can be done."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

STACK = json.dumps({"emulator_port": 1, "inference_port": 2, "management_port": 3, "metrics_port": 4, "secret": "s"})
CONTENTS = ["", "{", STACK[:30], "\0" * 50, "[]", "null", '{"emulator_port": "x"}', "ÿ"]


def podium(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Without a terminal, and with ports on which nothing listens."""
    return subprocess.run(
        [sys.executable, "-m", "podium", *arguments],
        env={**os.environ, "PODIUM_HOME": str(home), "COLUMNS": "400"},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip


def write(home: Path, names: Sequence[str], content: str) -> None:
    for name in names:
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(content, encoding="latin-1")


@pytest.mark.parametrize("content", CONTENTS)
def test_the_stack_s_ports_and_key_are_read_from_the_copy_if_the_file_is_damaged(tmp_path: Path, content: str) -> None:
    write(tmp_path, ["local.json"], content)
    write(tmp_path, ["local.copy.json"], STACK)
    done = podium(tmp_path, "env")
    assert (done.returncode, done.stderr) == (0, "")
    assert "127.0.0.1:1" in done.stdout


@pytest.mark.parametrize(("command", "content"), [("env", ""), ("status", "{"), ("up", "")])
def test_if_the_copy_is_damaged_too_the_files_are_named(tmp_path: Path, command: str, content: str) -> None:
    write(tmp_path, ["local.json", "local.copy.json"], content)
    done = podium(tmp_path, command)
    assert done.returncode == 1
    assert "local.json" in done.stderr
    assert "local.copy.json are damaged" in done.stderr
    assert "podium down --delete-data" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_stack_of_an_older_version_has_no_key_and_says_who_makes_one(tmp_path: Path) -> None:
    write(tmp_path, ["local.json"], STACK.replace(', "secret": "s"', ""))
    for command in ("env", "status"):
        done = podium(tmp_path, command)
        assert (done.returncode, done.stdout) == (1, "")
        assert "`podium up`" in done.stderr
        assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("content", ["", "1", "x", "99999999999999999999"])
def test_down_and_delete_data_need_no_file_that_can_be_read(tmp_path: Path, content: str) -> None:
    names = [
        "local.json",
        "local.copy.json",
        "emulator.pid",
        "torchserve/proxy.pid",
        "torchserve/tmp/.model_server.pid",
    ]
    names += ["torchserve/serving", "tls/ca.pem", "emulator/state/dynamodb.json"]
    write(tmp_path, names, content)
    done = podium(tmp_path, "down")
    assert (done.returncode, done.stderr) == (0, "nothing was running.\n")
    assert podium(tmp_path, "down", "--delete-data").returncode == 0
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "emulator.pid"]


@pytest.mark.parametrize(
    ("name", "content"), [("dynamodb.json", "{"), ("lambda.json", ""), ("cloudformation.json", "[]")]
)
def test_up_names_a_damaged_state_and_starts_nothing_on_its_own(tmp_path: Path, name: str, content: str) -> None:
    write(tmp_path, ["local.json", "local.copy.json"], STACK)
    write(tmp_path, [f"emulator/state/{name}"], content)
    done = podium(tmp_path, "up")
    assert done.returncode == 1
    assert f"emulator/state, {name} " in done.stderr
    assert "`podium up --yes` will make the stack anew, put the objects of its buckets back" in done.stderr
    assert (tmp_path / "emulator" / "state" / name).read_text() == content
    write(tmp_path, [f"emulator/state-copy/{name}"], "{}")
    done = podium(tmp_path, "up")
    assert done.returncode == 1
    assert "`podium up --yes` will put the copies in their place" in done.stderr
