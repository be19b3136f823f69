"""The ledger's items: what each batch expects and how far it is. One item per batch, under `batch/NAME`.

id, expected, revision, opened_at    what the batch expects: written by whatever fills it
counted, updated_at                  the results' stream: one more for every row that is written
look_at, looked_at                   the last look at an incomplete batch; the next is worth it at this count
announcing_until                     one run is announcing the batch, and lives no longer than until then
sliced_revision, slices_done         of a large batch: how many slices of this revision are complete and written down
completed_revision, completed_at     the batch is complete, and was announced

`counted` is a hint. A stream delivers at least once and a row may be written twice, so it runs ahead of the truth, which is
in the rows: it only shows when looking at them is worth it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AwareDatetime, Field

from pipeline.contracts import LedgerItem, stamp

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

BATCH_ID = "batch/"
QUIET_AFTER = timedelta(minutes=5)  # nothing was counted for so long: perhaps a stream lost records
LOOK_EVERY_AT_MOST = timedelta(days=1)


class Entry(LedgerItem):
    """One open or complete batch, by its item; no other item of the table is one."""

    id: Annotated[str, Field(pattern=f"^{BATCH_ID}.")]
    expected: Annotated[int, Field(ge=1)]
    revision: str
    updated_at: AwareDatetime
    counted: int = 0
    look_at: int | None = None
    looked_at: AwareDatetime | None = None
    announcing_until: AwareDatetime | None = None
    sliced_revision: str | None = None
    slices_done: int = 0
    completed_revision: str | None = None

    @property
    def batch(self) -> str:
        """The batch's name."""
        return self.id.removeprefix(BATCH_ID)

    @property
    def next_slice(self) -> int:
        """The first slice of what it expects now that is not written down."""
        return self.slices_done if self.sliced_revision == self.revision else 0

    @property
    def is_open(self) -> bool:
        """Whether what it expects now was never complete."""
        return self.completed_revision != self.revision

    @property
    def is_due(self) -> bool:
        """Whether so many rows were counted that looking at them is worth it."""
        return self.is_open and self.counted >= (self.expected if self.look_at is None else self.look_at)

    def is_worth_a_look(self, now: datetime) -> bool:
        """Whether it is due or quiet, and nobody is announcing it."""
        announced_by_another = self.announcing_until is not None and self.announcing_until > now
        return (self.is_due or self.is_quiet(now)) and not announced_by_another

    def is_quiet(self, now: datetime) -> bool:
        """Whether to look whatever the count is: after five minutes without a row, then after twice as long each time."""
        last = max(self.updated_at, self.looked_at or self.updated_at)
        patience = min(max(QUIET_AFTER, last - self.updated_at), LOOK_EVERY_AT_MOST)
        return self.is_open and now - last >= patience


@dataclass(frozen=True)
class Ledger:
    """The table; threads may share it."""

    dynamodb: DynamoDBClient
    table: str

    def open(self, batch: str, *, expected: int, revision: str, now: datetime) -> None:
        """Note how many images the batch expects; doing it again with the same revision changes nothing that matters."""
        self._update(
            batch,
            "SET expected = :expected, revision = :revision, updated_at = :now, "
            "opened_at = if_not_exists(opened_at, :now) REMOVE look_at",
            {":expected": _number(expected), ":revision": {"S": revision}, ":now": _moment(now)},
        )

    def count(self, batch: str, rows: int, now: datetime) -> None:
        """Count rows of a batch; of one that nobody has opened (images came by other tools), too."""
        self._update(batch, "ADD counted :rows SET updated_at = :now", {":rows": _number(rows), ":now": _moment(now)})

    def read(self, batch: str) -> Entry | None:
        """The batch as it is now; None when it is not open and never was."""
        answer = self.dynamodb.get_item(TableName=self.table, Key=_key(batch), ConsistentRead=True)
        return Entry.read(answer.get("Item", {}))

    def open_batches(self) -> Iterator[Entry]:
        """Every batch that expects images and is not complete."""
        pages = self.dynamodb.get_paginator("scan").paginate(
            TableName=self.table,
            FilterExpression="begins_with(id, :batch) AND attribute_exists(expected) "
            "AND (attribute_not_exists(completed_revision) OR completed_revision <> revision)",
            ExpressionAttributeValues={":batch": {"S": BATCH_ID}},
        )
        for page in pages:
            yield from filter(None, map(Entry.read, page["Items"]))

    def looked(self, entry: Entry, now: datetime) -> None:
        """Note that a look at the batch begins: should it never end, others have their turn first."""
        self._update(entry.batch, "SET looked_at = :now", {":now": _moment(now)})

    def look_again(self, entry: Entry, *, at_count: int) -> None:
        """Note how many rows must be counted before the next look; not if the batch expects something else now."""
        self._update_if(
            entry.batch,
            "SET look_at = :count",
            "revision = :revision",
            {":count": _number(at_count), ":revision": {"S": entry.revision}},
        )

    def claim(self, entry: Entry, now: datetime, *, until: datetime) -> bool:
        """Take the announcement of this revision; False when it is made or being made, or is out of date."""
        return self._update_if(
            entry.batch,
            "SET announcing_until = :until",
            "revision = :revision AND (attribute_not_exists(completed_revision) OR completed_revision <> :revision) "
            "AND (attribute_not_exists(announcing_until) OR announcing_until < :now)",
            {":until": _moment(until), ":now": _moment(now), ":revision": {"S": entry.revision}},
        )

    def slice_done(self, entry: Entry) -> None:
        """Note that the next slice of this revision is written down, and give the claim back; the ledger's stream goes on."""
        self._update_if(
            entry.batch,
            "SET sliced_revision = :revision, slices_done = :done REMOVE announcing_until",
            "revision = :revision",
            {":revision": {"S": entry.revision}, ":done": _number(entry.next_slice + 1)},
        )

    def release(self, entry: Entry) -> None:
        """Give a claim back: nothing was announced."""
        self._update(entry.batch, "REMOVE announcing_until")

    def complete(self, entry: Entry, now: datetime) -> None:
        """Note that this revision was complete and is announced."""
        self._update(
            entry.batch,
            "SET completed_revision = :revision, completed_at = :now REMOVE announcing_until, look_at",
            {":revision": {"S": entry.revision}, ":now": _moment(now)},
        )

    def _update_if(self, batch: str, expression: str, condition: str, values: dict[str, Any]) -> bool:
        try:
            self._update(batch, expression, values, condition)
        except self.dynamodb.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def _update(
        self, batch: str, expression: str, values: dict[str, Any] | None = None, condition: str | None = None
    ) -> None:
        optional: dict[str, Any] = {"ExpressionAttributeValues": values, "ConditionExpression": condition}
        self.dynamodb.update_item(
            TableName=self.table,
            Key=_key(batch),
            UpdateExpression=expression,
            **{name: value for name, value in optional.items() if value},
        )


def _key(batch: str) -> dict[str, Any]:
    return {"id": {"S": f"{BATCH_ID}{batch}"}}


def _number(value: int) -> dict[str, Any]:
    return {"N": str(value)}


def _moment(value: datetime) -> dict[str, Any]:
    return {"S": stamp(value)}
