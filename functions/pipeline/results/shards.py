"""Reading an index whose every value is spread over shards: all rows of it, or its rows in order, from any place on."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pipeline.results.index_keys import BY_BATCH, BY_LABEL, BY_REVIEW, SHARDS, Index, cut, in_shard, six_places

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Item = Mapping[str, Any]


@dataclass(frozen=True)
class Value:
    """What is read: one value of an index, such as a batch, between two range keys, and the attributes that are wanted.

    `exactly` are attributes that a row must have as they are: keys may have the beginnings of names only.
    """

    index: Index
    name: str
    low: str | None = None
    high: str | None = None
    exactly: tuple[tuple[str, str], ...] = ()
    wanted: tuple[str, ...] = ()  # all, if there are none

    def query(self, table: str, shard: int) -> dict[str, Any]:
        """The arguments of the query of one shard."""
        names = {"#hash": self.index.hash_key}
        values = {":hash": in_shard(self.name, shard)}
        conditions = ["#hash = :hash"]
        bounds = {":low": self.low, ":high": self.high}
        if given := {name: bound for name, bound in bounds.items() if bound is not None}:
            names["#range"] = self.index.range_key
            values |= given
            conditions.append(
                "#range BETWEEN :low AND :high" if len(given) == 2
                else "#range >= :low" if self.low is not None else "#range <= :high"
            )  # fmt: skip
        names |= {f"#{name}": name for name, _ in self.exactly} | {f"#{name}": name for name in self.wanted}
        values |= {f":{name}": value for name, value in self.exactly}
        filters = " AND ".join(f"#{name} = :{name}" for name, _ in self.exactly)
        optional = {"FilterExpression": filters, "ProjectionExpression": ", ".join(f"#{name}" for name in self.wanted)}
        return {
            "TableName": table,
            "IndexName": self.index.name,
            "KeyConditionExpression": " AND ".join(conditions),
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": {name: {"S": value} for name, value in values.items()},
            **{name: expression for name, expression in optional.items() if expression},
        }


def of_batch(batch: str, label: str | None = None, *, least: float = 0.0, wanted: tuple[str, ...] = ()) -> Value:
    """A batch's rows, by label, then by probability; those of one label alone, of at least this probability."""
    exactly = (("batch", batch),) if cut(batch) != batch else ()
    if label is None:
        return Value(BY_BATCH, batch, exactly=exactly, wanted=wanted)
    low, high = f"{cut(label)} {six_places(least)}", f"{cut(label)} 2"
    return Value(BY_BATCH, batch, low, high, (*exactly, ("label", label)), wanted)


def of_label(label: str, *, least: float = 0.0) -> Value:
    """The rows of a label in all batches, by probability."""
    exactly = (("label", label),) if cut(label) != label else ()
    return Value(BY_LABEL, label, low=six_places(least) if least else None, exactly=exactly)


def to_review(review: str, batch: str | None = None) -> Value:
    """The rows that a person should look at (`uncertain` or `rejected`), by batch, then by margin; those of one batch alone."""
    if batch is None:
        return Value(BY_REVIEW, review)
    return Value(BY_REVIEW, review, f"{cut(batch)} ", f"{cut(batch)} \U0010ffff", (("batch", batch),))


def all_rows(
    dynamodb: DynamoDBClient, table: str, value: Value, shards: Iterable[int] = range(SHARDS)
) -> Iterator[Item]:
    """Every row of the value, as the index has it: a moment old, one shard after the other."""
    for shard in shards:
        yield from _rows_of_shard(dynamodb, value.query(table, shard))


def rows_in_order(
    dynamodb: DynamoDBClient,
    table: str,
    value: Value,
    *,
    after: str | None = None,
    descending: bool = False,
    few: int | None = None,
) -> Iterator[Item]:
    """The rows of the value by their range keys, those of all shards merged; a shard is read as far as its rows are taken.

    `after` is the range key of the last row of an earlier reading; no row is left out or comes twice, whatever was written
    meanwhile. `few` is how many rows will be taken, if that is known: no shard is then asked for a megabyte.
    """
    order: dict[str, Any] = {"ScanIndexForward": not descending} | ({"Limit": 2 * few // SHARDS + 5} if few else {})
    place = _range_key_of(value.index)
    rest = value if after is None else _rest(value, after, descending=descending)
    shards = [_rows_of_shard(dynamodb, rest.query(table, shard) | order) for shard in range(SHARDS)]
    return (row for row in heapq.merge(*shards, key=place, reverse=descending) if place(row) != after)


def _rest(value: Value, after: str, *, descending: bool) -> Value:
    """What is left of the value from this row on; the row itself is in it."""
    if descending:
        return replace(value, high=after if value.high is None else min(after, value.high))
    return replace(value, low=after if value.low is None else max(after, value.low))


def _range_key_of(index: Index) -> Callable[[Item], str]:
    def place(row: Item) -> str:
        found: str = row[index.range_key]["S"]
        return found

    return place


def _rows_of_shard(dynamodb: DynamoDBClient, query: dict[str, Any]) -> Iterator[Item]:
    while True:
        page = dynamodb.query(**query)
        yield from page["Items"]
        if "LastEvaluatedKey" not in page:
            return
        query = {**query, "ExclusiveStartKey": page["LastEvaluatedKey"]}
