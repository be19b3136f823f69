"""The programs of this machine: those that a command has started, which end with it, and the one that listens on a port."""

from __future__ import annotations

import contextlib
import os
import shlex

ENDS_WITHIN_S = 5.0
WORDS_SHOWN = 100  # characters of a command line


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


def who_listens(port: int) -> str:
    """`python -m http.server (pid 7)`; a program of another user shows neither."""
    import psutil

    try:
        pids = {
            its.pid
            for its in psutil.net_connections("tcp")
            if its.laddr and its.laddr.port == port and its.status == psutil.CONN_LISTEN
        }
    except psutil.AccessDenied:  # macOS, without root
        pids = set()
    names = [_named(pid) for pid in sorted(pid for pid in pids if pid is not None)]
    return " and ".join(names) or "a program of another user, or in a container"


def _named(pid: int) -> str:
    import psutil

    try:
        process = psutil.Process(pid)
        words = shlex.join(process.cmdline()) or process.name()
    except psutil.Error:
        return f"pid {pid}"
    return f"{words[:WORDS_SHOWN]}{'...' if len(words) > WORDS_SHOWN else ''} (pid {pid})"
