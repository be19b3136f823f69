"""The Lambda that notices that a batch is complete.

the results' stream -> count each batch's rows; the ledger's stream, or a tick -> batches worth a look -> look -> announce

A count is a hint and may run ahead; whether a batch is complete is read from its manifest and its rows (completion.py).
The tick finds what a stream lost: it looks at every batch in which nothing happens, whatever its count.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from pipeline.aws import CLIENTS
from pipeline.batches.ledger import Entry, Ledger
from pipeline.finish.announcement import Announcer, NotAnnounced
from pipeline.finish.completion import Rows
from pipeline.finish.look import Looker
from pipeline.settings import FinishSettings, load_settings
from pipeline.telemetry import count_apart, logger

# A look at a large batch is hundreds of requests, and begins anew when one of them fails for good.
PATIENT = CLIENTS.merge(Config(retries={"total_max_attempts": 5, "mode": "standard"}))


@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], _context: LambdaContext) -> None:
    """Count rows, or look at batches; a tick of the schedule looks at all that are open.

    Never raises for the content of a record. Errors of AWS are raised: the stream delivers its records again.
    """
    return finish(event, open_looker(load_settings(FinishSettings)), datetime.now(UTC))


@cache
def open_looker(settings: FinishSettings) -> Looker:
    """The clients of this process."""
    s3, dynamodb = boto3.client("s3", config=PATIENT), boto3.client("dynamodb", config=PATIENT)
    events, bucket = boto3.client("events", config=PATIENT), settings.results_bucket
    ledger = Ledger(dynamodb, settings.ledger_name)
    rows = Rows(dynamodb, s3, settings.table_name)
    return Looker(s3, bucket, ledger, rows, Announcer(s3, events, ledger, bucket))


def finish(event: dict[str, Any], looker: Looker, now: datetime) -> None:
    """Do what the event is for: streams bring records, anything else is a tick."""
    match event:
        case {"Records": [*records]}:
            for batch, rows in Counter(_batches_of_rows(records)).items():
                looker.ledger.count(batch, rows, now)
            look_at_each((it.batch for it in _entries(records) if it.is_due), looker, now)
        case _:
            entries = list(looker.ledger.open_batches())
            look_at_each((it.batch for it in entries if it.is_worth_a_look(now)), looker, now)


def look_at_each(batches: Iterable[str], looker: Looker, now: datetime) -> None:
    """Look at each of the batches; an error with one does not keep the others waiting, and is raised after them."""
    problems: list[Exception] = []
    for batch in batches:
        try:
            summary = looker.look_at(batch, now)
        except (ClientError, BotoCoreError, NotAnnounced) as problem:
            problems.append(problem)
        else:
            if summary:
                logger.info("batch complete", extra=summary.model_dump(mode="json", exclude={"labels"}))
                count_apart("BatchesCompleted", 1)
    if problems:
        raise ExceptionGroup("some batches were not looked at", problems)


def _batches_of_rows(records: Iterable[Any]) -> Iterator[str]:
    """The batch of every row that was written."""
    for record in records:
        match record:
            case {"dynamodb": {"NewImage": {"image": {"S": str()}, "batch": {"S": str(batch)}}}}:
                yield batch


def _entries(records: Iterable[Any]) -> Iterable[Entry]:
    """Each batch of the ledger as the last record has it."""
    latest: dict[str, Entry] = {}
    for record in records:
        match record:
            case {"dynamodb": {"NewImage": {"id": {"S": str()}} as item}}:
                if entry := Entry.read(item):
                    latest[entry.batch] = entry
    return latest.values()
