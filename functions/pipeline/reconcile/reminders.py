"""What reconcile remembers in the ledger: how often it put an upload on the queue, and how far it has looked."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from pipeline.contracts import ImageRef, stamp
from pipeline.reconcile.progress import Progress

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

TRIES_ID = "requeued/"
CURSOR_ID = {"id": {"S": "reconcile/cursor"}}
MOMENTS = ("settled_until", "deep_at", "looks_after", "due_before", "oldest_open")


@dataclass(frozen=True)
class Reminders:
    """The ledger, as far as reconcile uses it; threads may share it."""

    dynamodb: DynamoDBClient
    ledger: str

    def count_try(self, image: ImageRef, *, most: int, now: datetime, forget_at: datetime) -> bool:
        """Count one more try of this version of the image, unless `most` were counted already."""
        try:
            self.dynamodb.update_item(
                TableName=self.ledger,
                Key={"id": {"S": tries_id(image)}},
                UpdateExpression="ADD tries :one SET image = :image, requeued_at = :now, expires_at = :forget_at",
                ConditionExpression="attribute_not_exists(tries) OR tries < :most",
                ExpressionAttributeValues={
                    ":one": {"N": "1"},
                    ":most": {"N": str(most)},
                    ":image": {"S": image.uri},
                    ":now": {"S": stamp(now)},
                    ":forget_at": {"N": str(int(forget_at.timestamp()))},  # seconds: DynamoDB's time to live
                },
            )
        except self.dynamodb.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def progress(self) -> Progress:
        """How far the passes came."""
        item = self.dynamodb.get_item(TableName=self.ledger, Key=CURSOR_ID, ConsistentRead=True).get("Item", {})
        moments = {name: datetime.fromisoformat(item[name]["S"]) for name in MOMENTS if name in item}
        return Progress(stopped_at=item["key"]["S"] if "key" in item else None, **moments)

    def remember(self, progress: Progress, now: datetime) -> None:
        """Keep it for the next pass."""
        place = {} if progress.stopped_at is None else {"key": {"S": progress.stopped_at}}
        moments = {name: {"S": stamp(it)} for name in MOMENTS if (it := getattr(progress, name)) is not None}
        item = CURSOR_ID | place | moments | {"updated_at": {"S": stamp(now)}}
        self.dynamodb.put_item(TableName=self.ledger, Item=item)


def tries_id(image: ImageRef) -> str:
    """The item that counts the tries of this version of the image, at this place in the order of uploads.

    The place moves when the late event of an older upload wins over reconcile's order: that is no failed try.
    """
    name = f"{image.uri}?{image.version_id or image.etag}#{image.sequencer}"
    return TRIES_ID + hashlib.sha256(name.encode()).hexdigest()
