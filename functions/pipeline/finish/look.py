"""One look at a batch: read the ledger, the manifest and the rows; then announce the batch, or look again later.

A batch that is too large for the memory is looked at in slices, one a look; the last look puts their tables together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import ValidationError

from pipeline.batches.ledger import Entry, Ledger
from pipeline.batches.manifests import count_images, part_keys, read_parts, revision_of
from pipeline.batches.outcomes import ExpectedUpload, expected_uploads
from pipeline.contracts import BatchSummary
from pipeline.finish.announcement import CLAIM_LASTS, Announcer
from pipeline.finish.completion import Completion, Rows
from pipeline.finish.slices import Slices, slices_for
from pipeline.results.index_keys import SHARDS
from pipeline.telemetry import logger

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MOST_IMAGES = 500_000  # measured: 811 MB of the function's 1,024, and 77 s of processor time of its 300


@dataclass(frozen=True)
class Looker:
    """Everything that a look needs."""

    s3: S3Client
    bucket: str
    ledger: Ledger
    rows: Rows
    announcer: Announcer
    most_images: int = MOST_IMAGES  # at once; of a batch of more, a slice

    def look_at(self, batch: str, now: datetime) -> BatchSummary | None:
        """Announce the batch if it is complete; otherwise note when another look is worth it.

        Returns its summary if this look announced it. If the ledger shows no reason to look, nothing else is read.
        """
        entry = self.ledger.read(batch)
        if entry is None or not entry.is_worth_a_look(now):
            return None
        quiet = entry.is_quiet(now)
        if quiet:
            self.ledger.looked(entry, now)
        keys = self._manifest(entry, now, quiet=quiet)
        if keys is None:
            return None
        if entry.expected > self.most_images:
            return self._look_at_slice(entry, keys, now, quiet=quiet)
        expected = self._expected(entry, keys)
        completion = self._completion(entry, expected, quiet=quiet) if expected else None
        return self.announcer.announce(entry, completion.outcomes, now) if completion else None

    def _look_at_slice(self, entry: Entry, keys: list[str], now: datetime, *, quiet: bool) -> BatchSummary | None:
        """Write down the next slice of a large batch if it is complete; when all are, announce the batch."""
        slices = Slices(self.s3, self.bucket, entry.batch, entry.revision, slices_for(entry.expected, self.most_images))
        if entry.next_slice >= slices.slices:
            return self.announcer.announce_slices(entry, slices, now)
        if not self.ledger.claim(entry, now, until=now + CLAIM_LASTS):
            return None
        part = slices.slice(entry.next_slice)
        try:
            expected = self._expected(entry, keys, only=part.has)
            if expected is None:
                return None  # with the claim: to give it back would bring the next look at once
            completion = self._completion(entry, expected, quiet=quiet, shards=part.shards)
            if completion is None:
                self.ledger.release(entry)
                return None
            part.write(completion.outcomes)
        except (ClientError, BotoCoreError):
            self.ledger.release(entry)
            raise
        logger.info("slice complete", batch=entry.batch, slice=part.number, slices=part.slices, images=len(expected))
        self.ledger.slice_done(entry)  # its record in the ledger's stream brings the next look
        return None

    def _completion(
        self, entry: Entry, expected: dict[str, ExpectedUpload], *, quiet: bool, shards: Iterable[int] = range(SHARDS)
    ) -> Completion | None:
        """The outcomes of all expected images; None if some are missing, and the ledger says when to look again."""
        completion = self.rows.completion_of(entry.batch, expected, thorough=quiet, shards=shards)
        if completion.missing:
            self.ledger.look_again(entry, at_count=entry.counted + completion.rows_to_wait_for)
            logger.info("batch not complete", batch=entry.batch, missing=completion.missing, expected=len(expected))
            return None
        return completion

    def _manifest(self, entry: Entry, now: datetime, *, quiet: bool) -> list[str] | None:
        """The keys of the manifest's parts; None while it grows.

        A manifest that has grown and is quiet has lost its writer, or two wrote at once: the ledger gets to know it.
        """
        keys = part_keys(self.s3, self.bucket, entry.batch)
        revision = revision_of(keys)
        if keys and revision == entry.revision:
            return keys
        if keys and quiet:
            self._reopen(entry, keys, revision, now)
        return None

    def _reopen(self, entry: Entry, keys: list[str], revision: str, now: datetime) -> None:
        try:
            expected = count_images(read_parts(self.s3, self.bucket, keys), exact_up_to=self.most_images)
        except ValidationError as error:
            self._unreadable(entry, error)
            return
        self.ledger.open(entry.batch, expected=expected, revision=revision, now=now)
        logger.warning("batch opened again", batch=entry.batch, revision=revision, expected=expected)

    def _expected(
        self, entry: Entry, keys: list[str], only: Callable[[str], bool] = lambda _: True
    ) -> dict[str, ExpectedUpload] | None:
        """What the batch expects, or some of it; None when that cannot be read."""
        try:
            return expected_uploads(read_parts(self.s3, self.bucket, keys), only=only)
        except ValidationError as error:
            self._unreadable(entry, error)
            return None

    def _unreadable(self, entry: Entry, error: ValidationError) -> None:
        logger.error("manifest unreadable", batch=entry.batch, reason=str(error))
