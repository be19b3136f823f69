"""What `podium.torchserve` says before TorchServe runs at all, and what it reads from its logs."""

from __future__ import annotations

import json
import socket
import zipfile
from pathlib import Path

import pytest

from podium import torchserve
from podium.errors import ConsoleError
from tests.model_server.archives import model_document

TRACEBACK = """\
2026-11-21T06:44:20,634 [INFO ] W-9000-balls_1.0-stdout MODEL_LOG - Torch worker started.
2026-11-21T06:44:22,100 [INFO ] W-9000-balls_1.0-stdout MODEL_LOG - Backend worker process died.
2026-11-21T06:44:22,100 [INFO ] W-9000-balls_1.0-stdout MODEL_LOG - Traceback (most recent call last):
2026-11-21T06:44:22,100 [INFO ] W-9000-balls_1.0-stdout MODEL_LOG -   File "handler.py", line 1, in <module>
2026-11-21T06:44:22,101 [INFO ] W-9000-balls_1.0-stdout MODEL_LOG -     raise ModelRefused("...")
2026-11-21T06:44:22,101 [INFO ] W-9000-balls_1.0-stdout MODEL_LOG - {exception}
"""


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


def test_a_pid_that_belongs_to_another_program_by_now_is_not_ours(tmp_path: Path) -> None:
    import os

    (tmp_path / "tmp").mkdir()
    (tmp_path / "tmp" / ".model_server.pid").write_text(str(os.getpid()))
    assert not torchserve.is_running(tmp_path)
    torchserve.stop(tmp_path)  # or this test would not end


@pytest.mark.parametrize(
    ("exception", "reason"),
    [
        ("model_file.ModelRefused: The archive holds no model.json.", "The archive holds no model.json."),
        ("ModuleNotFoundError: No module named 'timm'", "ModuleNotFoundError: No module named 'timm'"),
        ("MemoryError", "MemoryError"),
    ],
)
def test_a_worker_that_died_has_its_exception_for_a_reason(tmp_path: Path, exception: str, reason: str) -> None:
    (tmp_path / "model_log.log").write_text(TRACEBACK.format(exception=exception))
    assert torchserve.death_reason(tmp_path) == reason


def test_an_archive_that_torchserve_did_not_take_is_the_reason(tmp_path: Path) -> None:
    (tmp_path / "ts_log.log").write_text(
        "2026-11-21T07:04:08,372 [WARN ] main org.pytorch.serve.ModelServer - Failed to load model: balls.mar\n"
        "org.pytorch.serve.archive.model.InvalidModelException: Failed to parse signature.json.\n"
    )
    reason = torchserve.death_reason(tmp_path)
    assert reason is not None
    assert reason.startswith("TorchServe says: Failed to load model: balls.mar")
    assert reason.endswith("Failed to parse signature.json.")


def test_a_worker_that_lives_has_no_reason_to_have_died(tmp_path: Path) -> None:
    assert torchserve.death_reason(tmp_path) is None
    (tmp_path / "model_log.log").write_text(TRACEBACK.splitlines()[0])
    assert torchserve.death_reason(tmp_path) is None
