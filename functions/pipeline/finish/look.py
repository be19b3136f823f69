"""One look at a batch: read the ledger, the manifest and the rows; then announce the batch, or look again later."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from pydantic import ValidationError

from pipeline.batches.ledger import Entry, Ledger
from pipeline.batches.manifests import part_keys, read_parts, revision_of
from pipeline.batches.outcomes import ExpectedUpload, expected_uploads
from pipeline.contracts import BatchSummary
from pipeline.finish.announcement import Announcer
from pipeline.finish.completion import Rows
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
        if entry.expected > MOST_IMAGES:
            self._refuse(entry)
            return None
        expected = self._expected(entry, now, quiet=quiet)
        if not expected:
            return None
        completion = self.rows.completion_of(batch, expected, thorough=quiet)
        if completion.missing:
            self.ledger.look_again(entry, at_count=entry.counted + completion.rows_to_wait_for)
            logger.info("batch not complete", batch=batch, missing=completion.missing, expected=len(expected))
            return None
        return self.announcer.announce(entry, completion.outcomes, now)

    def _refuse(self, entry: Entry) -> None:
        """Leave a batch alone that would need more memory than there is; its rows are there all the same."""
        self.ledger.look_again(entry, at_count=entry.counted + entry.expected)
        reason = f"it expects {entry.expected} images, and at most {MOST_IMAGES} can be announced as one: split it"
        logger.error("batch too large", batch=entry.batch, reason=reason)

    def _expected(self, entry: Entry, now: datetime, *, quiet: bool) -> dict[str, ExpectedUpload] | None:
        """What the batch expects; None while its manifest grows, and when it cannot be read.

        A manifest that has grown and is quiet has lost its writer, or two wrote at once: the ledger gets to know it.
        """
        keys = part_keys(self.s3, self.bucket, entry.batch)
        revision = revision_of(keys)
        if not keys or (revision != entry.revision and not quiet):
            return None
        try:
            expected = expected_uploads(read_parts(self.s3, self.bucket, keys))
        except ValidationError as error:
            logger.error("manifest unreadable", batch=entry.batch, reason=str(error))
            return None
        if revision != entry.revision:
            self._reopen(entry.batch, revision, len(expected), now)
            return None
        return expected

    def _reopen(self, batch: str, revision: str, expected: int, now: datetime) -> None:
        self.ledger.open(batch, expected=expected, revision=revision, now=now)
        logger.warning("batch opened again", batch=batch, revision=revision, expected=expected)
