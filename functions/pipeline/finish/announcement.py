"""Announces a complete batch: table and summary in the results bucket, one event on the default event bus.

claim in the ledger -> results.csv -> summary.json -> PutEvents -> mark in the ledger

The claim lets one run at a time through, and only for what the batch expects now. One revision of a batch is announced
once, with one exception that no order of these steps removes: a function that dies after EventBridge took the event and
before the ledger has the mark leaves a claim that expires, and the event is sent again. Its `id` is the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from pipeline.batches.ledger import Entry, Ledger
from pipeline.batches.manifests import folder_of
from pipeline.batches.outcomes import Outcome
from pipeline.contracts import BatchSummary
from pipeline.finish.slices import Slices, put_table
from pipeline.finish.summary import summary_of

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_s3 import S3Client

SOURCE = "podium"
DETAIL_TYPE = "Batch Complete"
CLAIM_LASTS = timedelta(minutes=6)  # longer than the function lives: its Timeout is 300 s


class NotAnnounced(Exception):
    """EventBridge did not take the event: the claim is given back, and the stream or the sweep tries again."""


@dataclass(frozen=True)
class Announcer:
    """The results bucket, the event bus and the ledger."""

    s3: S3Client
    events: EventBridgeClient
    ledger: Ledger
    bucket: str

    def announce(self, entry: Entry, outcomes: Mapping[str, Outcome], now: datetime) -> BatchSummary | None:
        """Write down and announce that the batch is complete; None when that is done, or being done, already."""
        return self._announce(entry, now, lambda results_key: self._write(entry, outcomes, results_key))

    def announce_slices(self, entry: Entry, slices: Slices, now: datetime) -> BatchSummary | None:
        """Announce a batch all of whose slices are written down, as `announce` does."""

        def write(results_key: str) -> BatchSummary:
            slices.write_table(results_key)
            return slices.summary(results_key)

        return self._announce(entry, now, write)

    def _announce(self, entry: Entry, now: datetime, write: Callable[[str], BatchSummary]) -> BatchSummary | None:
        if not self.ledger.claim(entry, now, until=now + CLAIM_LASTS):
            return None
        try:
            summary = write(f"{folder_of(entry.batch)}results.csv")
            self._write_summary(summary)
            self._publish(summary)
        except (ClientError, BotoCoreError, NotAnnounced):
            self.ledger.release(entry)
            raise
        self.ledger.complete(entry, now)
        return summary

    def _write(self, entry: Entry, outcomes: Mapping[str, Outcome], results_key: str) -> BatchSummary:
        put_table(self.s3, self.bucket, results_key, outcomes)
        return summary_of(entry.batch, entry.revision, outcomes.values(), results_key=results_key)

    def _write_summary(self, summary: BatchSummary) -> None:
        document = summary.model_dump_json(indent=2) + "\n"
        self.s3.put_object(
            Bucket=self.bucket, Key=summary_key(summary.batch), Body=document.encode(), ContentType="application/json"
        )

    def _publish(self, summary: BatchSummary) -> None:
        detail = {
            "id": f"{summary.batch}/{summary.revision}",
            "batch": summary.batch,
            "revision": summary.revision,
            "total": summary.total,
            "classified": summary.classified,
            "rejected": summary.rejected,
            "uncertain": summary.uncertain,
            "summary": f"s3://{self.bucket}/{summary_key(summary.batch)}",
            "results": f"s3://{self.bucket}/{summary.results_key}",
        }
        response = self.events.put_events(
            Entries=[{"Source": SOURCE, "DetailType": DETAIL_TYPE, "Detail": json.dumps(detail)}]
        )
        if response["FailedEntryCount"]:
            refused = response["Entries"][0]
            raise NotAnnounced(
                f"EventBridge did not take the event {detail['id']}: {refused.get('ErrorCode')}, {refused.get('ErrorMessage')}"
            )


def summary_key(batch: str) -> str:
    """Where a complete batch's figures lie in the results bucket."""
    return f"{folder_of(batch)}summary.json"
