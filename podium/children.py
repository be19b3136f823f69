"""The programs that a command has started: those that would outlive it are stopped with it."""

from __future__ import annotations

import contextlib
import os

ENDS_WITHIN_S = 5.0


def stop_children() -> None:
    """Stop every program below this process and wait for its end; those of another session, as the local stack, go on."""
    import psutil

    mine = []
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(ProcessLookupError):
            if os.getsid(child.pid) == os.getsid(0):
                mine.append(child)
    for child in mine:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.terminate()
    _, stubborn = psutil.wait_procs(mine, ENDS_WITHIN_S)
    for child in stubborn:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
    psutil.wait_procs(stubborn, ENDS_WITHIN_S)
