"""A trainer runs a requested number of steps and reports their seconds.

facts (a line of JSON) -> "UNTIMED TIMED" on stdin -> that many steps -> {"seconds": ...} -> the next line on stdin
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import torch


def ask() -> str:
    """The next line on stdin; empty after the last request."""
    return sys.stdin.readline()


def tell(facts: dict[str, Any]) -> None:
    """A line of JSON on stdout."""
    print(json.dumps(facts), flush=True)  # noqa: T201


class Gate:
    """Called after every step; waits between two blocks. Of a block, the first steps are untimed and the rest is timed."""

    def __init__(
        self,
        wait: Callable[[], None],
        *,
        ask: Callable[[], str] = ask,
        tell: Callable[[dict[str, Any]], None] = tell,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """`wait` returns when the device has done all its work."""
        self.wait, self.ask, self.tell, self.clock = wait, ask, tell, clock
        self.done, self.untimed, self.timed, self.began = 0, 0, 0, 0.0

    def open(self) -> None:
        """Wait for the next block; SystemExit if there is none."""
        request = self.ask().split()
        if not request:
            raise SystemExit(0)
        self.done, (self.untimed, self.timed) = 0, map(int, request)

    def step(self) -> None:
        """Count a step that was handed to the device."""
        self.done += 1
        if self.done == self.untimed:
            self.wait()
            self.began = self.clock()
        elif self.done == self.untimed + self.timed:
            self.wait()
            self.tell({"seconds": self.clock() - self.began})
            self.open()


def wait_for(device: torch.device) -> Callable[[], None]:
    """A function that returns when the device has done all its work."""
    return (lambda: torch.cuda.synchronize(device)) if device.type == "cuda" else (lambda: None)
