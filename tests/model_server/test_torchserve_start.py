"""What `podium.local.model_server` reports before the model server runs at all."""

from __future__ import annotations

import json
import os
import socket
import zipfile
from pathlib import Path

import pytest

from podium.errors import ConsoleError
from podium.local import model_server as torchserve
from tests.model_server.archives import model_document


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """An archive that `start` takes for one of ours; it is never served."""
    with zipfile.ZipFile(tmp_path / "balls.mar", "w") as opened:
        opened.writestr("model.json", json.dumps(model_document("0" * 64)))
    return tmp_path / "balls.mar"


@pytest.mark.parametrize("taken", ["inference", "management", "metrics"])
def test_a_taken_port_is_named_with_what_to_do(archive: Path, tmp_path: Path, taken: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        ports = torchserve.Ports(**{**vars(torchserve.free_ports()), taken: port})
        with pytest.raises(ConsoleError, match=rf"port {port} .*{taken}.* PODIUM_{taken.upper()}_PORT"):
            torchserve.start(home=tmp_path / "home", archive=archive, ports=ports)


def test_a_home_too_deep_for_a_socket_is_refused_in_words(archive: Path, tmp_path: Path) -> None:
    with pytest.raises(ConsoleError, match=r"too deep .* PODIUM_HOME"):
        torchserve.start(home=tmp_path / ("deep" * 30), archive=archive, ports=torchserve.free_ports())


def test_a_home_in_which_nothing_runs_can_be_stopped(tmp_path: Path) -> None:
    assert not torchserve.is_running(tmp_path)
    torchserve.stop(tmp_path)


@pytest.mark.parametrize("file", ["proxy.pid", "tmp/.model_server.pid"])
def test_a_pid_that_belongs_to_another_program_by_now_is_not_ours(tmp_path: Path, file: str) -> None:
    (tmp_path / "tmp").mkdir()
    (tmp_path / file).write_text(str(os.getpid()))
    assert not torchserve.is_running(tmp_path)
    torchserve.stop(tmp_path)  # or this test would not end


def test_a_program_whose_command_cannot_be_seen_yet_is_no_other_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Just after its start the system shows it empty, and a server that begins was taken for one that has ended."""
    seen: list[list[str]] = [[], [], ["python", "-m", "proxy", "--home", str(tmp_path)]]
    monkeypatch.setattr("psutil.Process.cmdline", lambda _: seen.pop(0))
    (tmp_path / "proxy.pid").write_text(str(os.getpid()))
    assert torchserve.is_running(tmp_path)
    assert not seen


def test_a_process_that_never_has_a_command_is_not_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part of the kernel, which has the number by now."""
    monkeypatch.setattr("psutil.Process.cmdline", lambda _: [])
    (tmp_path / "proxy.pid").write_text(str(os.getpid()))
    assert not torchserve.is_running(tmp_path)
