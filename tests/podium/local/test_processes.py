"""Processes that are found again by their pid files, and others that never are."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from podium.local.processes import find_process, process_of, runs

SLEEP = "import time; time.sleep(600)"


@pytest.fixture
def ours(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that works for a folder of its own."""
    with subprocess.Popen([sys.executable, "-c", SLEEP, "serve", str(tmp_path)]) as process:
        while not process_of(pid_file(tmp_path, str(process.pid)), "serve"):
            time.sleep(0.01)
        yield process
        process.kill()


def pid_file(folder: Path, content: str) -> Path:
    path = folder / "server.pid"
    path.write_text(content)
    return path


def test_a_pid_file_leads_to_its_process(tmp_path: Path, ours: subprocess.Popen[bytes]) -> None:
    found = process_of(pid_file(tmp_path, f"{ours.pid}\n"), "serve", str(tmp_path))
    assert found is not None
    assert (found.pid, runs(found)) == (ours.pid, True)


@pytest.mark.parametrize("content", ["", "\n", "12", "x", "-1", "0", "9" * 30, "4194304", "\0\0", "é", "1.5"])
def test_a_damaged_pid_file_leads_nowhere_and_the_process_is_found_by_its_words(
    tmp_path: Path, ours: subprocess.Popen[bytes], content: str
) -> None:
    assert process_of(pid_file(tmp_path, content), "serve", str(tmp_path)) is None
    found = find_process("serve", str(tmp_path))
    assert found is not None
    assert found.pid == ours.pid


def test_a_number_that_belongs_to_another_program_leads_nowhere(tmp_path: Path) -> None:
    file = pid_file(tmp_path, str(os.getpid()))
    assert process_of(file, "serve", str(tmp_path)) is None
    assert find_process("serve", str(tmp_path)) is None


def test_a_process_of_another_folder_is_another_program(tmp_path: Path, ours: subprocess.Popen[bytes]) -> None:
    assert process_of(pid_file(tmp_path, str(ours.pid)), "serve", str(tmp_path / "other")) is None
    assert find_process("serve", str(tmp_path / "other")) is None
    assert find_process(str(tmp_path), "serve") is None  # a person who looks for it, not the server


def test_a_process_that_has_ended_leads_nowhere(tmp_path: Path, ours: subprocess.Popen[bytes]) -> None:
    ours.kill()
    ours.wait()
    assert process_of(pid_file(tmp_path, str(ours.pid)), "serve", str(tmp_path)) is None
    assert find_process("serve", str(tmp_path)) is None


def test_no_pid_file_leads_nowhere(tmp_path: Path) -> None:
    assert process_of(tmp_path / "none.pid", "serve") is None
