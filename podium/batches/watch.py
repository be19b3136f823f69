"""Watching a batch: how many of its images are classified or rejected, at which rate, and how long the rest will take.

A batch expects the images of its manifest and, for those that came by other tools, the latest versions under its prefix.
"""

from __future__ import annotations

import csv
import heapq
import io
import math
import shlex
import shutil
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from tempfile import TemporaryFile

from pydantic import ValidationError

from inference.harmless import harmless_cell
from pipeline.batches.ledger import Ledger
from pipeline.batches.manifests import folder_of, part_keys, read_parts, revision_of
from pipeline.batches.outcomes import ExpectedUpload, expected_uploads, outcome_in, rows_of_batch
from pipeline.results.index_keys import SHARDS, shard_of
from pipeline.results.same_upload import same_upload
from podium.batches.drop import can_name_batch, latest_uploads
from podium.batches.keys import may_be_batch
from podium.batches.unknown import unknown_batch
from podium.connection import Connection
from podium.errors import EXIT_UNFINISHED, ConsoleError

RATE_OVER_S = 30.0  # of watching
RATE_AFTER_S = 3.0
STUCK_AFTER_S = 60.0  # without any image that gets done
STUCK_NAMED = 3
ROWS_A_SECOND = 2_000  # are read, whatever the batch's size: of a large one some shards, then the next ones


@dataclass(frozen=True)
class BatchProgress:
    """How far a batch is. `in_flight` and `queued` count the whole queue's messages, other batches' too."""

    total: int
    classified: int
    rejected: int
    queued: int
    in_flight: int
    dead_letters: int = 0  # of any batch
    rate_per_s: float | None = None  # None: not known yet, or no image gets done
    stuck: tuple[str, ...] = ()  # the first that wait, when none was done for long or the time is up

    @property
    def waiting(self) -> int:
        """Images of this batch without a terminal state."""
        return self.total - self.classified - self.rejected

    @property
    def off_queue(self) -> int:
        """How many of those that wait have no message on the queue, at least: some of its messages are other batches'."""
        return max(0, self.waiting - self.queued - self.in_flight)

    @property
    def seconds_left(self) -> int | None:
        """How long the rest takes at this rate; None when that is not known."""
        if not self.waiting:
            return 0
        return math.ceil(self.waiting / self.rate_per_s) if self.rate_per_s else None


class RateMeter:
    """How many images a second get done, over the last half minute of watching."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def observe(self, at_s: float, done: int) -> float | None:
        """The rate now that so many are done; None when it is not known yet, or no image gets done."""
        self._seen.append((at_s, done))
        while len(self._seen) > 1 and at_s - self._seen[1][0] >= RATE_OVER_S:
            self._seen.popleft()
        began_s, before = self._seen[0]
        return (done - before) / (at_s - began_s) if at_s - began_s >= RATE_AFTER_S and done > before else None


class Watch:
    """The images that a batch expects, and their statuses; looks read the shards in turn in which images wait."""

    def __init__(self, connection: Connection, batch: str) -> None:
        self.connection = connection
        self.batch = batch
        self.statuses: dict[str, str] = {}  # of expected images
        self._uploads = latest_uploads(connection, batch)
        self._part_keys: set[str] = set()
        self._manifest: dict[str, ExpectedUpload] = {}
        self.expected: dict[str, ExpectedUpload] = dict(self._uploads)
        self._next_shard = 0

    def look(self) -> None:
        """Read the new parts of the manifest, and the rows of some shards."""
        self._read_manifest()
        self._read_rows(self._shards_to_read())
        elsewhere = self._manifest.keys() - self._uploads.keys() - self.statuses.keys()
        if elsewhere and self._is_announced():
            self._read_table(elsewhere)

    def first_waiting(self, most: int) -> tuple[str, ...]:
        """Some images without a status; those that the embedded AWS cannot read come first."""
        waiting = self.expected.keys() - self.statuses.keys()
        return tuple(heapq.nsmallest(most, waiting, key=lambda image: ("\n" not in image, image)))

    def _read_manifest(self) -> None:
        s3, bucket = self.connection.s3, self.connection.facts.results_bucket
        fresh = [key for key in part_keys(s3, bucket, self.batch) if key not in self._part_keys]
        if not fresh:
            return
        try:
            self._manifest = expected_uploads(read_parts(s3, bucket, fresh), self._manifest)
        except ValidationError as error:
            location = f"s3://{bucket}/{folder_of(self.batch)}manifest/"
            raise ConsoleError(f"a part of the manifest in {location} cannot be read: {error}") from error
        self._part_keys.update(fresh)
        before, self.expected = self.expected, self._manifest | self._uploads
        self.statuses = {it: status for it, status in self.statuses.items() if before[it] == self.expected.get(it)}

    def _shards_to_read(self) -> list[int]:
        """Those in which images wait: all of them, or as many as the batch's size allows, from where the last look ended."""
        waiting = {shard_of(image) for image in self.expected.keys() - self.statuses.keys()}
        in_turn = [shard % SHARDS for shard in range(self._next_shard, self._next_shard + SHARDS)]
        due = [shard for shard in in_turn if shard in waiting][: shards_a_look(len(self.expected))]
        if due:
            self._next_shard = (due[-1] + 1) % SHARDS
        return due

    def _read_rows(self, shards: list[int]) -> None:
        facts = self.connection.facts
        for row in rows_of_batch(self.connection.dynamodb_client, facts.table, self.batch, shards):
            outcome = outcome_in(row)
            if outcome and outcome.image in self.expected and same_upload(self.expected[outcome.image], outcome):
                self.statuses[outcome.image] = outcome.status

    def _is_announced(self) -> bool:
        """Whether the stack has announced the batch as the manifest now is."""
        entry = Ledger(self.connection.dynamodb_client, self.connection.facts.ledger).read(self.batch)
        return entry is not None and entry.completed_revision == revision_of(self._part_keys)

    def _read_table(self, images: set[str]) -> None:
        """The statuses of images whose rows are in other batches by now, from the table that the stack wrote."""
        key = f"{folder_of(self.batch)}results.csv"
        table = self.connection.s3.get_object(Bucket=self.connection.facts.results_bucket, Key=key)
        written = {str(harmless_cell(image)): image for image in images}  # as the table has it
        # On disk: the table of a large batch has gigabytes.
        with TemporaryFile() as file, io.TextIOWrapper(file, encoding="utf-8", newline="") as text:
            shutil.copyfileobj(table["Body"], file)
            file.seek(0)
            for line in csv.DictReader(text):
                if line["image"] in written:
                    self.statuses[written[line["image"]]] = line["status"]


def shards_a_look(images: int) -> int:
    """How many shards of a batch of so many images are read at once: all if they are few, and one at least."""
    return max(1, min(SHARDS, ROWS_A_SECOND * SHARDS // max(1, images)))


def watch(
    connection: Connection,
    batch: str,
    *,
    timeout_s: float | None,
    clock_s: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[BatchProgress]:
    """The batch's progress every second, of more than 32,000 images more seldom, until all is done or the time is up.

    Of images that other tools than `podium drop` uploaded, the batch expects those that are there when the watch starts.
    """
    if not may_be_batch(batch):
        raise ConsoleError(_why_empty(connection, batch))
    watched, meter = Watch(connection, batch), RateMeter()
    deadline_s = None if timeout_s is None else clock_s() + timeout_s
    done, done_at_s = 0, clock_s()
    while True:
        watched.look()
        if not watched.expected:
            raise ConsoleError(_why_empty(connection, batch))
        rate = meter.observe(clock_s(), len(watched.statuses))
        if len(watched.statuses) != done:
            done, done_at_s = len(watched.statuses), clock_s()
        pause_s = max(1.0, len(watched.expected) / (ROWS_A_SECOND * SHARDS))
        if deadline_s is not None:
            pause_s = max(1.0, min(pause_s, deadline_s - clock_s()))
        time_is_up = deadline_s is not None and clock_s() + pause_s > deadline_s
        now = _progress(watched, rate, name_stuck=time_is_up or clock_s() - done_at_s >= STUCK_AFTER_S)
        yield now
        if now.waiting == 0 or time_is_up:
            return
        sleep(pause_s)


def _why_empty(connection: Connection, batch: str) -> str:
    """That there is no such batch, or nothing in it; and how to fill it, if it can be."""
    what = unknown_batch(connection, batch) or f"batch {batch!r} is empty."
    if not can_name_batch(batch):
        return what
    return f"{what} `{shlex.join(['podium', 'drop', 'PATH', '--batch', batch])}` fills it."


def check_finished(last: BatchProgress, batch: str, timeout_s: float | None) -> None:
    """ConsoleError (exit code 3) when images still wait: the time was up."""
    if last.waiting:
        still = f"{last.waiting} of {last.total} images still wait after {timeout_s:.0f} s."
        go_on = f"Go on with `{shlex.join(['podium', 'watch', batch])}`."
        raise ConsoleError(f"{still} {_where_they_wait(last)} {go_on}", EXIT_UNFINISHED)


def _where_they_wait(last: BatchProgress) -> str:
    """On the queue; as dead letters; or nowhere, if their messages were lost with an embedded AWS that was killed."""
    if not last.off_queue:
        return "Nothing is lost: they stay in the queue."
    dead = " `podium redrive --dry-run` shows those that are dead letters." if last.dead_letters else ""
    none = last.off_queue == last.waiting
    those = "None of them is on the queue." if none else f"At least {last.off_queue} of them are not on the queue."
    return (
        f"{those}{dead} Every hour, uploads of the last days that have no result "
        "are found once they are half an hour old, and enqueued; to have them now, drop them again."
    )


def _progress(watched: Watch, rate_per_s: float | None, *, name_stuck: bool) -> BatchProgress:
    statuses = Counter(watched.statuses.values())
    messages = watched.connection.message_counts(watched.connection.facts.queue_url)
    return BatchProgress(
        total=len(watched.expected),
        classified=statuses["classified"],
        rejected=statuses["rejected"],
        queued=messages.visible,
        in_flight=messages.in_flight,
        dead_letters=sum(watched.connection.message_counts(watched.connection.facts.dlq_url)) if name_stuck else 0,
        rate_per_s=rate_per_s,
        stuck=watched.first_waiting(STUCK_NAMED) if name_stuck else (),
    )
