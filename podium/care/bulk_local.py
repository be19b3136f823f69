"""Children of a bulk job as processes of this machine: as many at once as are wanted, each with its share of the shards.

A child that dies is started again with what its share still lacks, as AWS Batch does after a lost Spot machine.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from inference.harmless import harmless
from podium.errors import ConsoleError
from podium.project import ROOT

REFUSED = 2  # the program's exit code: the same would happen again
STARTS = 10  # of one share; AWS Batch's most attempts, too
LOOK_EVERY_S = 2.0
MOST_SAID = 4_000  # bytes of a log's end


@dataclass
class Share:
    """The shards of one process, and how often it was started."""

    shards: list[int]
    log: Path
    starts: int = 0
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Processes:
    """Who the children are: of which job, in which environment, and where they write their logs."""

    results_bucket: str
    job: str
    environment: Mapping[str, str]
    logs: Path
    program: str = "bulk"

    def run(
        self, shards: Sequence[int], at_once: int, left: Callable[[Sequence[int]], list[int]],
        *, on_look: Callable[[Sequence[Share]], None] = lambda _: None, look_every_s: float = LOOK_EVERY_S,
    ) -> None:  # fmt: skip
        """Do the shards; `left` says which of some are not done. ConsoleError, with the log, if a child is refused or dies too often.

        However it ends, no child is left.
        """
        self.logs.mkdir(parents=True, exist_ok=True)
        shares = [Share(list(shards[at::at_once]), self.logs / f"{self.job}-{at}.log") for at in range(at_once)]
        shares = [share for share in shares if share.shards]
        try:
            for share in shares:
                self._start(share)
            while sum(self._goes_on(share, left) for share in shares):
                on_look(shares)
                time.sleep(look_every_s)
            on_look(shares)
        finally:
            for share in shares:
                _end(share)

    def _goes_on(self, share: Share, left: Callable[[Sequence[int]], list[int]]) -> bool:
        if share.process is None:
            return False
        code = share.process.poll()
        if code is None:
            return True
        share.process = None
        if code == 0:
            return False
        share.shards = left(share.shards)
        if not share.shards:
            return False
        if code == REFUSED or share.starts == STARTS:
            raise ConsoleError(
                f"a child of {self.job!r} ended with exit code {code}. {share.log} says: {_last_line(share.log)}"
            )
        self._start(share)
        return True

    def _start(self, share: Share) -> None:
        share.starts += 1
        which = [word for shard in share.shards for word in ("--shard", str(shard))]
        with share.log.open("ab") as log:
            share.process = subprocess.Popen(
                [sys.executable, "-m", self.program, self.results_bucket, self.job, *which],
                cwd=ROOT, env=dict(self.environment), stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip


def _last_line(log: Path) -> str:
    """What a child said last."""
    lines = log.read_bytes()[-MOST_SAID:].decode(errors="replace").splitlines()
    return harmless(lines[-1]) if lines else "nothing"


def _end(share: Share) -> None:
    if share.process is not None and share.process.poll() is None:
        share.process.terminate()
        share.process.wait()
