"""Children of a bulk job as processes of this machine: those that die are started again, and none is left behind."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from podium.care.bulk_local import STARTS, Processes, Share
from podium.errors import ConsoleError

# Does its shards one by one; what it has done is a file. It dies, is refused or stands still at shards that are named so.
CHILD = """
import os, pathlib, signal, sys, time
folder = pathlib.Path(__file__).parent
for shard in sys.argv[4::2]:
    if (folder / f"dies-{shard}").exists():
        (folder / f"dies-{shard}").unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    if (folder / f"always-dies-{shard}").exists():
        sys.exit(1)
    if (folder / f"refuses-{shard}").exists():
        print("the archive is damaged", file=sys.stderr)
        sys.exit(2)
    if (folder / f"stands-{shard}").exists():
        time.sleep(600)
    with (folder / f"done-{shard}").open("a") as done:
        done.write("x")
"""


class Machine:
    """Children that do what the test says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "child_program.py").write_text(CHILD)
        self.processes = Processes(
            "results", "job", os.environ | {"PYTHONPATH": str(folder)}, folder / "logs", program="child_program"
        )

    def will(self, *names: str) -> None:
        for name in names:
            (self.folder / name).touch()

    def left(self, shards: Sequence[int]) -> list[int]:
        return [shard for shard in shards if not (self.folder / f"done-{shard}").exists()]

    def run(self, shards: int, at_once: int) -> list[Share]:
        """How it ended."""
        shares: list[Share] = []

        def look(now: Sequence[Share]) -> None:
            shares[:] = now

        self.processes.run(range(shards), at_once, self.left, on_look=look, look_every_s=0.01)
        return shares

    def times_done(self, shards: int) -> list[int]:
        return [len((self.folder / f"done-{shard}").read_text()) for shard in range(shards)]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.parametrize("at_once", [1, 2, 9])
def test_every_shard_is_done_once(machine: Machine, at_once: int) -> None:
    machine.run(5, at_once)
    assert machine.times_done(5) == [1] * 5


def test_a_child_that_is_killed_is_started_again_with_what_its_share_lacks(machine: Machine) -> None:
    machine.will("dies-2", "dies-3")
    assert sorted(share.starts for share in machine.run(6, 2)) == [2, 2]
    assert machine.times_done(6) == [1] * 6


def test_a_child_that_is_refused_is_not_started_again_and_says_why(machine: Machine) -> None:
    machine.will("refuses-0", "stands-1")
    with pytest.raises(ConsoleError, match=r"exit code 2.*the archive is damaged"):
        machine.run(2, 2)
    assert not children_of_this_process()


def test_a_child_that_dies_every_time_is_given_up(machine: Machine) -> None:
    machine.will("always-dies-0")
    with pytest.raises(ConsoleError, match="exit code 1"):
        machine.run(1, 1)
    assert STARTS > 1


def test_a_console_that_is_interrupted_leaves_no_child(machine: Machine) -> None:
    machine.will("stands-0", "stands-1")

    def interrupt(shares: Sequence[Share]) -> None:
        assert len(children_of_this_process()) == 2
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        machine.processes.run(range(2), 2, machine.left, on_look=interrupt)
    assert not children_of_this_process()


def children_of_this_process() -> list[psutil.Process]:
    return [it for it in psutil.Process().children() if "child_program" in " ".join(it.cmdline())]
