"""A request to stop, as a Spot instance or an operator sends it: finish the step, save, and end."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from training.errors import Preempted
from training.run import resumable


@contextmanager
def stop_requests() -> Iterator[Callable[[], bool]]:
    """Whether SIGTERM or Ctrl-C has come since; outside of the main thread, where Python hears no signals, never.

    A second one of the same kind does what it did before: Ctrl-C twice ends at once, without a checkpoint.
    """
    asked = threading.Event()
    before: dict[int, Any] = {}

    def hear(number: int, _frame: FrameType | None) -> None:
        asked.set()
        signal.signal(number, before[number])

    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return
    for wanted in (signal.SIGTERM, signal.SIGINT):
        before[wanted] = signal.signal(wanted, hear)
    try:
        yield asked.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def preempted(run_folder: Path, epoch: int, step: int) -> Preempted:
    """What ends a training that was asked to stop, after its checkpoint was written."""
    return Preempted(
        f"Stopped as asked, in epoch {epoch} after step {step}. Go on: podium train --resume {resumable(run_folder)}"
    )
