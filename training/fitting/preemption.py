"""A request to stop, as a Spot instance or an operator sends it: finish the step, save, and end."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from training.errors import Preempted


@contextmanager
def stop_requests() -> Iterator[Callable[[], bool]]:
    """Whether SIGTERM has come since; outside of the main thread, where Python hears no signals, never."""
    asked = threading.Event()

    def hear(_number: int, _frame: FrameType | None) -> None:
        asked.set()

    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return
    before = signal.signal(signal.SIGTERM, hear)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGTERM, before)


def preempted(run_folder: object, epoch: int, step: int) -> Preempted:
    """What ends a training that was asked to stop, after its checkpoint was written."""
    return Preempted(f"Stopped as asked, in epoch {epoch} after step {step}. Go on: podium train --resume {run_folder}")
