"""A look at a batch: what the ledger says, what the manifest expects, what the rows say; and what follows from it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from pydantic import ValidationError

from pipeline.batches.ledger import Entry, Ledger, open_batch
from pipeline.batches.manifests import part_keys, read_parts, revision_of
from pipeline.batches.outcomes import Wanted, wanted_images
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

        Its summary if this look announced it. A look that is not worth it, by what the ledger says now, reads nothing else.
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
        wanted = self._wanted(entry, now, quiet=quiet)
        if not wanted:
            return None
        look = self.rows.look(batch, wanted, thorough=quiet)
        if look.missing:
            self.ledger.look_again(entry, at_count=entry.counted + look.rows_to_wait_for)
            logger.info("batch not complete", batch=batch, missing=look.missing, expected=len(wanted))
            return None
        return self.announcer.announce(entry, look.verdicts, now)

    def _refuse(self, entry: Entry) -> None:
        """Leave a batch alone that would need more memory than there is; its rows are there all the same."""
        self.ledger.look_again(entry, at_count=entry.counted + entry.expected)
        reason = f"it expects {entry.expected} images, and at most {MOST_IMAGES} can be announced as one: split it"
        logger.error("batch too large", batch=entry.batch, reason=reason)

    def _wanted(self, entry: Entry, now: datetime, *, quiet: bool) -> dict[str, Wanted] | None:
        """What the batch expects; None while its manifest grows, and when it cannot be read.

        A manifest that has grown and is quiet has lost its writer, or two wrote at once: the ledger gets to know it.
        """
        keys = part_keys(self.s3, self.bucket, entry.batch)
        revision = revision_of(keys)
        if not keys or (revision != entry.revision and not quiet):
            return None
        try:
            wanted = wanted_images(read_parts(self.s3, self.bucket, keys))
        except ValidationError as error:
            logger.error("manifest unreadable", batch=entry.batch, reason=str(error))
            return None
        if revision != entry.revision:
            self._reopen(entry.batch, revision, len(wanted), now)
            return None
        return wanted

    def _reopen(self, batch: str, revision: str, expected: int, now: datetime) -> None:
        open_batch(self.ledger.dynamodb, self.ledger.table, batch, expected=expected, revision=revision, now=now)
        logger.warning("batch opened again", batch=batch, revision=revision, expected=expected)
