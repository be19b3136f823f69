"""A rollout as it is now: the ledger's item, what its stage has counted, and some images on which the models disagree."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from pipeline.rollout.comparison import Compared
from pipeline.rollout.judgement import broken_limits
from pipeline.rollout.ledger import Rollouts
from pipeline.rollout.samples import folder_of
from pipeline.rollout.state import Rollout
from pipeline.rollout.tally import StageTally
from podium.connection import Connection
from podium.errors import EXIT_UNFINISHED, ConsoleError

LOOK_EVERY_S = 2.0


@dataclass(frozen=True)
class Seen:
    """A rollout at one moment."""

    rollout: Rollout
    tally: StageTally  # of its stage; of an ended one, of the stage in which it ended
    disagreements: Sequence[Compared]  # the latest first
    configured: str  # the stack's model now

    @property
    def broken(self) -> Sequence[str]:
        """How the candidate is beyond its limits."""
        return tuple(broken_limits(self.rollout, self.tally).values()) if self.rollout.is_live else ()

    @property
    def is_permanent(self) -> bool:
        """Whether a deployment has made the candidate the stack's model."""
        return self.configured == self.rollout.candidate.ref

    @property
    def lacking(self) -> int:
        """Images that are still to be compared in this stage, before the next."""
        return max(0, self.rollout.least_compared - self.tally.compared)


def rollouts_of(connection: Connection) -> Rollouts:
    """The stack's ledger, as far as rollouts use it."""
    return Rollouts(connection.dynamodb_client, connection.facts.ledger)


def wait_for_answer(
    connection: Connection,
    rollout: Rollout,
    *,
    timeout_s: float,
    clock_s: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Seen]:
    """The rollout every other second, until the candidate was compared for the first time.

    ConsoleError when it only fails, when it was rolled back, or (exit code 3) when the time is up.
    """
    until_s = clock_s() + timeout_s
    while True:
        now = look(connection, samples=0)
        if now is None or now.rollout.id != rollout.id or not now.rollout.is_live:
            why = f": {now.rollout.reason}" if now and now.rollout.reason else "."
            raise ConsoleError(f"the rollout of {rollout.candidate.ref} has ended{why}")
        yield now
        if now.tally.compared:
            return
        if now.broken:
            raise ConsoleError(f"{'; '.join(now.broken)}. The last reason: {now.tally.last_error}")
        if clock_s() >= until_s:
            said = f" Its last error: {now.tally.last_error}" if now.tally.last_error else ""
            raise ConsoleError(
                f"{rollout.candidate.ref} was compared with no image in {timeout_s:.0f} s.{said} The rollout stays in "
                "shadow: `podium rollout status --watch`, or drop some images.",
                EXIT_UNFINISHED,
            )
        sleep(LOOK_EVERY_S)


def look(connection: Connection, *, samples: int = 5) -> Seen | None:
    """The newest rollout as it is now, with some disagreements; None if there never was one."""
    rollouts = rollouts_of(connection)
    rollout = rollouts.read()
    if rollout is None:
        return None
    stage = _stage_of(rollout)
    return Seen(
        rollout=rollout,
        tally=rollouts.tally(stage),
        disagreements=_disagreements(connection, stage, samples) if samples else (),
        configured=connection.facts.model,
    )


def _stage_of(rollout: Rollout) -> Rollout:
    """An ended rollout, as it was before its end."""
    if rollout.is_live:
        return rollout
    stage: Literal["shadow", "weights"] = "weights" if rollout.weight else "shadow"
    return rollout.model_copy(update={"stage": stage})


def _disagreements(connection: Connection, rollout: Rollout, most: int) -> list[Compared]:
    bucket = connection.facts.results_bucket
    listed = connection.s3.list_objects_v2(Bucket=bucket, Prefix=folder_of(rollout, rollout.stage_name))
    newest = sorted(listed.get("Contents", []), key=lambda it: it["LastModified"], reverse=True)[:most]
    bodies = [connection.s3.get_object(Bucket=bucket, Key=it["Key"])["Body"].read() for it in newest]
    return [Compared.model_validate_json(body) for body in bodies]
