"""A request to stop, as a Spot instance or an operator sends it: finish the step, write a checkpoint, and end."""

from __future__ import annotations

import shlex
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from training.errors import Preempted
from training.model.unfinished import resumable


@contextmanager
def stop_requests() -> Iterator[Callable[[], bool]]:
    """Yields a function: has SIGTERM or Ctrl-C arrived? Outside of the main thread, Python gets no signals: never.

    A second signal of the same kind has its usual effect: Ctrl-C twice ends at once, without a checkpoint.
    """
    requested = threading.Event()
    before: dict[int, Any] = {}

    def hear(number: int, _frame: FrameType | None) -> None:
        requested.set()
        signal.signal(number, before[number])

    if threading.current_thread() is not threading.main_thread():
        yield requested.is_set
        return
    for wanted in (signal.SIGTERM, signal.SIGINT):
        before[wanted] = signal.signal(wanted, hear)
    try:
        yield requested.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def preempted(run_folder: Path, epoch: int, step: int) -> Preempted:
    """The error that ends a training after a request to stop, when its checkpoint is written."""
    return Preempted(
        f"Stopped on request, in epoch {epoch} after step {step}. Go on: podium train --resume {shlex.quote(str(resumable(run_folder)))}"
    )
