"""A trainer's process, stopped except in its turn: no trainer runs while another is measured."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

QUIET_S = 600  # without a line; then the trainer is given up
STOPS_S = 10


class TrainerEnded(Exception):
    """The trainer ended, or prints nothing more; with its last lines."""


class Process:
    """A process with its children and its lines of output, which can be stopped and continued."""

    def __init__(self, command: Sequence[str], *, folder: Path, environment: Mapping[str, str]) -> None:
        self.started = subprocess.Popen(
            command, cwd=folder, env={**os.environ, **environment}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, start_new_session=True, bufsize=0,
        )  # fmt: skip
        self.watched = psutil.Process(self.started.pid)
        assert self.started.stdout is not None
        self.output = self.started.stdout.fileno()
        os.set_blocking(self.output, False)
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.output, selectors.EVENT_READ)
        self.unread, self.lines = b"", deque[str]()
        self.last: deque[str] = deque(maxlen=1)

    def write(self, line: str) -> None:
        """Write one line to its stdin; if it no longer reads, `line` raises."""
        assert self.started.stdin is not None
        with suppress(BrokenPipeError):
            self.started.stdin.write(f"{line}\n".encode())

    def line(self) -> str:
        """Its next line of output; raises TrainerEnded if none comes."""
        until = time.monotonic() + QUIET_S
        while not self.lines:
            left = until - time.monotonic()
            if left <= 0 or not self.selector.select(left) or not self._read():
                raise TrainerEnded(f"it ended with: {self.last[-1] if self.last else 'nothing'}")
        return self.lines.popleft()

    def hold(self) -> None:
        """Stop it and all its processes, and drop its lines so far."""
        os.killpg(self.started.pid, signal.SIGSTOP)
        until = time.monotonic() + STOPS_S
        while self.watched.status() != psutil.STATUS_STOPPED and time.monotonic() < until:
            time.sleep(0.005)
        while self.selector.select(0) and self._read():
            pass
        self.lines.clear()

    def go_on(self) -> None:
        """Continue it and all its processes."""
        os.killpg(self.started.pid, signal.SIGCONT)

    def end(self) -> None:
        """Kill it and all its processes."""
        with suppress(ProcessLookupError):
            os.killpg(self.started.pid, signal.SIGKILL)
        self.started.wait()
        self.selector.close()
        for pipe in (self.started.stdin, self.started.stdout):
            if pipe:
                pipe.close()

    def _read(self) -> bool:
        found = os.read(self.output, 65536)
        *whole, self.unread = (self.unread + found).split(b"\n")
        for line in whole:
            text = line.decode("utf-8", "replace").rstrip()
            self.lines.append(text)
            self.last.append(text)
        return bool(found)
