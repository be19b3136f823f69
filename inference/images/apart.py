"""Pictures read in a process of its own: one over which a decoder crashes, or which takes too long, costs no other."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Thread
from typing import IO

import numpy as np

from inference.images.pixels import EvalTransform, Pixels
from inference.images.reading import MAX_PIXELS, UnreadableImage

PROGRAM = "inference.images.apart_process"
LOOK_EVERY_S = 0.2
PATIENCE = 6  # times the seconds of a processor, on the wall: others use it, too
TRIES = 2  # the picture before may have damaged the reader's memory


class NoReader(Exception):
    """The reader's process cannot be started: the machine's fault, not the picture's."""


class _Ended(Exception):
    """The process ended, or was ended because it took `too_long`."""

    def __init__(self, *, too_long: bool) -> None:
        super().__init__()
        self.too_long = too_long


@dataclass(frozen=True)
class _Process:
    popen: subprocess.Popen[bytes]
    requests: IO[bytes]
    answers: IO[bytes]


class ReaderApart:
    """One process that reads pictures, started anew when it ends. Not for several threads at once."""

    def __init__(
        self, transform: EvalTransform, *, seconds: float, max_pixels: int = MAX_PIXELS, program: str = PROGRAM
    ) -> None:
        self._arguments = [json.dumps({"transform": asdict(transform), "max_pixels": max_pixels})]
        self._seconds = seconds
        self._program = program
        self._process: _Process | None = None

    def read(self, images: Sequence[bytes]) -> list[Pixels | UnreadableImage]:
        """The pixels of every picture, (H, W, 3) uint8, or why there are none, in their order. Raises NoReader."""
        return [self._one(data) for data in images]

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.popen.kill()
            self._process.popen.wait()
            for pipe in (self._process.requests, self._process.answers):
                with suppress(OSError):  # a picture of which a part was never read
                    pipe.close()
            self._process = None

    def _one(self, data: bytes) -> Pixels | UnreadableImage:
        if not data:
            return UnreadableImage("empty", "There is no image.")
        for _ in range(TRIES):
            process = self._process = self._process or self._started()
            try:
                return self._answer(process, data)
            except _Ended as ended:
                self.close()
                if ended.too_long:
                    return UnreadableImage(
                        "too_slow",
                        f"Reading the image took over {self._seconds:g} s of a processor. Save it as a JPEG and send it again.",
                    )
        return UnreadableImage(
            "unreadable",
            "The image crashes the library that decodes it: it is damaged. Save it anew and send it again.",
        )

    def _started(self) -> _Process:
        paths = os.pathsep.join(path or str(Path.cwd()) for path in sys.path)
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        try:
            popen = subprocess.Popen(
                [sys.executable, "-m", self._program, *self._arguments],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ | threads | {"PYTHONPATH": paths},
            )  # fmt: skip
        except OSError as error:
            raise NoReader(f"A process that reads images could not be started ({error}).") from error
        if popen.stdin is None or popen.stdout is None:
            raise NoReader("A process that reads images has no pipes.")
        return _Process(popen, popen.stdin, popen.stdout)

    def _answer(self, process: _Process, data: bytes) -> Pixels | UnreadableImage:
        sending = Thread(target=_send, args=(process.requests, data), daemon=True)  # it may die before it has read all
        sending.start()
        answers = _Answers(process, self._limit(process.popen.pid))
        told = json.loads(answers.line())
        if "code" in told:
            return UnreadableImage(told["code"], told["reason"])
        shape = tuple(told["shape"])
        return np.frombuffer(answers.read(int(np.prod(shape))), dtype=np.uint8).reshape(shape)

    def _limit(self, pid: int) -> Callable[[], bool]:
        """Whether the picture has used its seconds of a processor; on the wall, several times as many."""
        used_s, began_s = _cpu_s(pid), time.monotonic()
        return lambda: _cpu_s(pid) - used_s > self._seconds or time.monotonic() - began_s > PATIENCE * self._seconds


class _Answers:
    """What the process writes; raises _Ended when it ends first, or when its time is over."""

    def __init__(self, process: _Process, is_over: Callable[[], bool]) -> None:
        self._process = process
        self._is_over = is_over
        self._waiting = selectors.DefaultSelector()
        self._waiting.register(process.answers, selectors.EVENT_READ)
        self._left = b""

    def line(self) -> bytes:
        while b"\n" not in self._left:
            self._left += self._more()
        line, _, self._left = self._left.partition(b"\n")
        return line

    def read(self, size: int) -> bytes:
        pieces, have = [self._left], len(self._left)
        while have < size:
            pieces.append(self._more())
            have += len(pieces[-1])
        return b"".join(pieces)

    def _more(self) -> bytes:
        while not self._waiting.select(LOOK_EVERY_S):
            if self._is_over():
                raise _Ended(too_long=True)
        piece = os.read(self._process.answers.fileno(), 2**20)
        if not piece:
            raise _Ended(too_long=False)
        return piece


def _send(requests: IO[bytes], data: bytes) -> None:
    try:
        requests.write(len(data).to_bytes(8, "big"))
        requests.write(data)
        requests.flush()
    except (BrokenPipeError, ValueError):  # the process, or the pipe, was ended meanwhile
        return


def _cpu_s(pid: int) -> float:
    """Seconds of a processor that the process has used; 0 where there is no /proc."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
