"""The function that finishes batches, with its two streams, its clock and a subscriber of its events."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3

from pipeline.batches.ledger import Entry, Ledger
from pipeline.batches.manifests import expected_images, part_keys, read_parts, revision_of, write_part
from pipeline.contracts import (
    Classification,
    ExpectedImage,
    ImageRef,
    ManifestPart,
    Rejection,
    RejectionCode,
    ServerAnswer,
)
from pipeline.finish.announcement import Announcer
from pipeline.finish.completion import Rows
from pipeline.finish.handler import finish
from pipeline.finish.look import Looker
from pipeline.results.store import Store
from tests.functions.conftest import INPUT, LEDGER, RESULTS, TABLE, Aws
from tests.functions.factories import NOON, classification, server_answer

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient

Item = dict[str, Any]


@dataclass
class Desk:
    """Images come, rows are written, the streams deliver them, the clock goes on."""

    aws: Aws
    looker: Looker
    events: EventBridgeClient
    announcements_url: str
    now: datetime = NOON
    delivered: dict[str, Item] = field(default_factory=dict)

    def classify(self, image: ImageRef, answer: ServerAnswer | None = None, **changes: object) -> Classification:
        """Let the image be classified now, as its event names it."""
        done = classification(image, answer or server_answer()).model_copy(
            update={"classified_at": self.now, **changes}
        )
        Store(self.aws.s3, self.aws.dynamodb, RESULTS, TABLE, INPUT).put(done)
        return done

    def reject(self, image: ImageRef, code: RejectionCode = "empty") -> Classification:
        """Store a rejection of the image now."""
        rejected = Rejection(code=code, reason=f"It is {code}.")
        return self.classify(image, status="rejected", predictions=(), rejected=rejected)

    def write_part(self, *images: ImageRef | ExpectedImage, batch: str = "monday") -> str:
        """A part of the batch's manifest, made now."""
        expected = tuple(
            ExpectedImage(image=it.uri, version_id=it.version_id) if isinstance(it, ImageRef) else it for it in images
        )
        part = ManifestPart(batch=batch, images=expected, created_at=self.now)
        return write_part(self.aws.s3, RESULTS, part)

    def open(self, batch: str = "monday") -> str:
        """Open the batch with all parts that its manifest has; their revision."""
        keys = part_keys(self.aws.s3, RESULTS, batch)
        expected = len(expected_images(read_parts(self.aws.s3, RESULTS, keys)))
        revision = revision_of(keys)
        self.looker.ledger.open(batch, expected=expected, revision=revision, now=self.now)
        return revision

    def expect(self, *images: ImageRef | ExpectedImage, batch: str = "monday") -> str:
        """Drop's last two steps."""
        self.write_part(*images, batch=batch)
        return self.open(batch)

    def entry(self, batch: str = "monday") -> Entry:
        """The ledger's entry of the batch."""
        found = self.looker.ledger.read(batch)
        assert found is not None
        return found

    def news(self, table: str) -> list[Item]:
        """The records of the table's stream since the last time."""
        fresh: list[Item] = []
        for item in self.aws.dynamodb.scan(TableName=table)["Items"]:
            name = table + item.get("image", item.get("id", {}))["S"] + item.get("model", {"S": ""})["S"]
            if self.delivered.get(name) != item:
                self.delivered[name] = item
                fresh.append(record(item))
        return fresh

    def streams(self, rounds: int = 20) -> None:
        """Deliver the records of the streams, and those that the function adds by it, until there are none."""
        for _ in range(rounds):
            news = [it for table in (TABLE, LEDGER) if (it := self.news(table))]
            if not news:
                return
            for records in news:
                self.deliver(*records)
        raise AssertionError("the function adds something to its own stream for ever")

    def deliver(self, *records: Item) -> None:
        """Call the function as a stream does."""
        finish({"Records": list(records)}, self.looker, self.now)

    def tick(self, after: timedelta = timedelta(0)) -> None:
        """Call the function as the schedule does."""
        self.now += after
        finish({"source": "aws.events", "detail-type": "Scheduled Event"}, self.looker, self.now)

    def announcements(self) -> list[Item]:
        """The details of the events that came, each listed once."""
        details: list[Item] = []
        while messages := self.aws.sqs.receive_message(QueueUrl=self.announcements_url, MaxNumberOfMessages=10).get(
            "Messages"
        ):
            for message in messages:
                details.append(json.loads(message["Body"])["detail"])
                self.aws.sqs.delete_message(QueueUrl=self.announcements_url, ReceiptHandle=message["ReceiptHandle"])
        return details

    def read(self, uri: str) -> str:
        """The text of an object of the results bucket."""
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        return self.aws.s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode()

    def table(self, batch: str = "monday") -> list[dict[str, str]]:
        """results.csv."""
        return list(csv.DictReader(io.StringIO(self.read(f"s3://{RESULTS}/batches/{batch}/results.csv"))))

    def summary(self, batch: str = "monday") -> Item:
        """summary.json."""
        document: Item = json.loads(self.read(f"s3://{RESULTS}/batches/{batch}/summary.json"))
        return document

    def while_announcing(self, act: Callable[[Item], None]) -> None:
        """Do something after EventBridge has answered and before the function knows; it may change the response."""
        self.events.meta.events.register("after-call.events.PutEvents", lambda parsed, **_: act(parsed))


def record(item: Item, kind: str = "MODIFY") -> Item:
    """A stream's record of an item."""
    return {"eventName": kind, "eventSource": "aws:dynamodb", "dynamodb": {"NewImage": item}}


@contextmanager
def finishing(aws: Aws, session: boto3.Session) -> Iterator[Desk]:
    """The function beside the deployed resources, with a ledger, and a queue that receives its events."""
    events = session.client("events")
    announcements_url = aws.sqs.create_queue(QueueName="announcements")["QueueUrl"]
    arn = aws.sqs.get_queue_attributes(QueueUrl=announcements_url, AttributeNames=["QueueArn"])["Attributes"][
        "QueueArn"
    ]
    pattern = {"source": ["podium"], "detail-type": ["Batch Complete"]}
    events.put_rule(Name="announcements", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="announcements", Targets=[{"Id": "queue", "Arn": arn}])
    ledger = Ledger(aws.dynamodb, LEDGER)
    rows = Rows(aws.dynamodb, aws.s3, TABLE)
    yield Desk(
        aws,
        Looker(aws.s3, RESULTS, ledger, rows, Announcer(aws.s3, events, ledger, RESULTS)),
        events,
        announcements_url,
    )


def uploads(aws: Aws, *names: str, batch: str = "monday") -> Sequence[ImageRef]:
    """Images that were just uploaded."""
    return [aws.upload(f"incoming/{batch}/{name}.jpg", name.encode()) for name in names]
