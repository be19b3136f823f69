"""A command that ends early stops the programs that it has started; a port names who listens there."""

from __future__ import annotations

import contextlib
import subprocess
import sys

import psutil

# Starts a shell whose child would go on alone, and a program in a session of its own, as the local stack is.
STARTS_AND_STOPS = """
import subprocess, sys
from podium.processes import stop_children
shell = subprocess.Popen(["sh", "-c", "sleep 600 2>&- & echo $!; wait"], stdout=subprocess.PIPE, text=True)
stack = subprocess.Popen(["sleep", "600"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
print(shell.pid, shell.stdout.readline().strip(), stack.pid)
import podium.processes
stop_children()
stack.returncode = 0
"""


def test_its_children_and_theirs_end_and_the_local_stack_goes_on() -> None:
    done = subprocess.run(
        [sys.executable, "-c", STARTS_AND_STOPS], capture_output=True, text=True, check=True, timeout=60
    )
    shell, below, stack = map(int, done.stdout.split())
    try:
        assert not psutil.pid_exists(shell)
        assert not _runs(below)
        assert _runs(stack)
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(stack).kill()


def _runs(pid: int) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False
