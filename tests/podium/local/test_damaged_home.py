"""A home whose files are damaged: every command says what is wrong, and what can be done."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from threading import Thread

import psutil
import pytest

from podium.local.stack import last_served

STACK = json.dumps({"emulator_port": 1, "inference_port": 2, "management_port": 3, "metrics_port": 4, "secret": "s"})
CONTENTS = ["", "{", STACK[:30], "\0" * 50, "[]", "null", '{"emulator_port": "x"}', "ÿ"]
CONTENTS += [STACK.replace('"emulator_port": 1', f'"emulator_port": {port}') for port in (0, -5, 65536, 70000)]


def podium(home: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Without a terminal, and with ports on which nothing listens."""
    return subprocess.run(
        [sys.executable, "-m", "podium", *arguments],
        env={**os.environ, "PODIUM_HOME": str(home), "COLUMNS": "400", **variables},
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


def test_a_stack_whose_ports_are_lost_keeps_the_one_that_its_queues_have_in_their_urls(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:  # so that nothing starts
        port = taken.getsockname()[1]
        queues = {"queue_name_to_url": {"data": {"q": f"https://127.0.0.1:{port}/000000000000/podium-images"}}}
        write(tmp_path, ["emulator/state/sqs.json"], json.dumps({"payload": queues}))
        done = podium(tmp_path, "up", PODIUM_EMULATOR_PORT="7599")
        assert done.returncode == 1
        assert f"port {port} is taken by " in done.stderr
        assert "queues have it in their URLs" in done.stderr
    assert json.loads((tmp_path / "local.json").read_text())["emulator_port"] == port


def test_a_server_of_this_home_whose_ports_are_lost_is_stopped(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        queues = {"queue_name_to_url": {"data": {"q": f"https://127.0.0.1:{taken.getsockname()[1]}/0/q"}}}
        write(tmp_path, ["emulator/state/sqs.json"], json.dumps({"payload": queues}))
        server = stand_in("proxy", "--home", str(tmp_path / "torchserve"))
        podium(tmp_path, "up")
    assert server.wait(10) != 0


def test_objects_that_are_gone_are_counted_and_nothing_starts_on_its_own(tmp_path: Path) -> None:
    write(tmp_path, ["local.json", "local.copy.json"], STACK)
    write(tmp_path, ["emulator/state/objects.json"], json.dumps({"podium-input": ["incoming/a.jpg", "incoming/b.jpg"]}))
    done = podium(tmp_path, "up")
    assert done.returncode == 1
    assert "2 of 2 in podium-input (such as 'incoming/a.jpg')" in done.stderr
    assert "`podium up --yes` will go on without them" in done.stderr


def test_a_damaged_note_of_the_archive_that_is_served_is_another_archive(tmp_path: Path) -> None:
    assert last_served(tmp_path) is None
    (tmp_path / "serving").write_bytes(b"/a.mar 1 2")
    assert last_served(tmp_path) == "/a.mar 1 2"
    (tmp_path / "serving").write_bytes(b"\xff")
    assert last_served(tmp_path) not in {None, "/a.mar 1 2"}


def test_the_copy_that_down_takes_of_the_state_is_its_owner_s_alone(tmp_path: Path) -> None:
    code = b"the code of a function"
    blob = hashlib.sha256(code).hexdigest()
    write(tmp_path, ["emulator/state/lambda.json"], json.dumps({"payload": {"code_blob_ref": blob}}))
    write(tmp_path, [f"emulator/state/lambda-blobs/{blob}.zip"], code.decode())
    emulator = stand_in("podium.local.front", str(tmp_path))
    before = os.umask(0o022)
    try:
        assert podium(tmp_path, "down").stderr == "stopped the embedded AWS.\n"
    finally:
        os.umask(before)
    emulator.wait(10)
    copies = tmp_path / "emulator" / "state-copy"
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in (copies, copies / "lambda-blobs")} == {0o700}


def stand_in(*words: str) -> subprocess.Popen[bytes]:
    """A process with the command line of a server of ours."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", "-m", *words])
    while words[-1] not in psutil.Process(process.pid).cmdline():
        time.sleep(0.01)
    Thread(target=process.wait).start()  # a zombie would not have ended, to a process that is not its parent
    return process
