"""The processes that a command leaves running, found again by their pid files."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

BEGINNING_S = 0.2


def process_of(pid_file: Path, *words: str) -> psutil.Process | None:
    """The process of this file; None if it is gone, the file is damaged, or the number belongs to another program by now.

    `words` are arguments of its command line that no other program has: the folder that it works for, above all.
    """
    try:
        process = psutil.Process(int(pid_file.read_text(encoding="ascii")))
        command = _command(process)
        return process if _is_ours(process) and all(word in command for word in words) else None
    except (OSError, ValueError, OverflowError, psutil.Error):
        return None


def find_process(*words: str) -> psutil.Process | None:
    """This user's process that has these words in its command line, one after the other, when its pid file is lost."""
    for process in psutil.process_iter():
        try:
            if _is_ours(process) and _has_in_a_row(process.cmdline(), words):
                return process
        except psutil.Error:
            continue
    return None


def runs(process: psutil.Process) -> bool:
    """Whether it is alive; a zombie has ended, and its parent has not waited for it yet."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _is_ours(process: psutil.Process) -> bool:
    """Anybody can give a process any command line."""
    return process.uids().real == os.getuid()


def _has_in_a_row(command: Sequence[str], words: Sequence[str]) -> bool:
    return any(tuple(command[start : start + len(words)]) == tuple(words) for start in range(len(command)))


def _command(process: psutil.Process) -> list[str]:
    """Its command line; empty for a zombie and a kernel thread, and for a moment while a program begins."""
    deadline = time.monotonic() + BEGINNING_S
    while not (command := process.cmdline()) and runs(process) and time.monotonic() < deadline:
        time.sleep(BEGINNING_S / 20)
    return command
