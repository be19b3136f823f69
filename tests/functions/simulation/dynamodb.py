"""DynamoDB as the pipeline calls it; conditions are read by moto's own reader of expressions."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from moto.dynamodb.comparisons import get_filter_expression
from moto.dynamodb.models.dynamo_type import DynamoType
from moto.dynamodb.models.dynamo_type import Item as MotoItem

from tests.functions.simulation.effects import ConditionalCheckFailedException, Effects, aws_error

Item = dict[str, dict[str, Any]]
Key = tuple[str, ...]
Watch = Callable[[Item, bool], None]


@dataclass
class Table:
    """The items; `watch` gets every put in the moment that DynamoDB decides on it: the item, and whether it was taken."""

    key_names: tuple[str, ...]
    watch: Watch = lambda _item, _taken: None
    items: dict[Key, Item] = field(default_factory=dict)

    def key_of(self, item: Item) -> Key:
        return tuple(item[name]["S"] for name in self.key_names)

    def get(self, key: Item) -> Item | None:
        return self.items.get(self.key_of(key))

    def put(self, item: Item, condition: str | None, values: Item | None) -> Item | None:
        """The item that was there before."""
        old = self.get(item)
        taken = _holds(condition, values, old)
        self.watch(item, taken)
        if not taken:
            raise aws_error("PutItem", "ConditionalCheckFailedException", ConditionalCheckFailedException)
        self.items[self.key_of(item)] = item
        return old

    def update(self, key: Item, expression: str, condition: str | None, values: Item) -> Item:
        """`ADD name :by, ...` and `SET name = :value, ...`, which is all that the pipeline sends; the item after that."""
        item = dict(self.get(key) or key)
        if not _holds(condition, values, item):
            raise aws_error("UpdateItem", "ConditionalCheckFailedException", ConditionalCheckFailedException)
        for clause in re.findall(r"(?:ADD|SET) .+?(?=$| SET )", expression):
            for name, value in re.findall(r"(\w+)(?: =)? (:\w+)", clause):
                by = values[value]
                added = clause.startswith("ADD")
                item[name] = {"N": str(int(item.get(name, {"N": "0"})["N"]) + int(by["N"]))} if added else by
        self.items[self.key_of(key)] = item
        return item


def _holds(condition: str | None, values: Item | None, item: Item | None) -> bool:
    """Whether the condition holds for the item."""
    return bool(get_filter_expression(condition, {}, values).expr(MotoItem(DynamoType({"S": ""}), None, item or {})))


class DynamoDBFake:
    """A client of the tables, which go by their names."""

    class exceptions:  # noqa: N801 (as boto3 names it)
        ConditionalCheckFailedException = ConditionalCheckFailedException

    def __init__(self, world: Effects, tables: dict[str, Table]) -> None:
        self._world, self._tables = world, tables

    def put_item(
        self,
        *,
        TableName: str,  # noqa: N803
        Item: Item,  # noqa: N803
        ConditionExpression: str | None = None,  # noqa: N803
        ExpressionAttributeValues: Item | None = None,  # noqa: N803
        ReturnValues: str = "NONE",  # noqa: N803
    ) -> dict[str, Any]:
        table = self._tables[TableName]
        old = self._world.effect(
            "dynamodb.put_item", lambda: table.put(Item, ConditionExpression, ExpressionAttributeValues)
        )
        return {"Attributes": old} if old and ReturnValues == "ALL_OLD" else {}

    def update_item(
        self,
        *,
        TableName: str,  # noqa: N803
        Key: Item,  # noqa: N803
        UpdateExpression: str,  # noqa: N803
        ConditionExpression: str | None = None,  # noqa: N803
        ExpressionAttributeValues: Item,  # noqa: N803
        ReturnValues: str = "NONE",  # noqa: N803
    ) -> dict[str, Any]:
        table = self._tables[TableName]
        item = self._world.effect(
            "dynamodb.update_item",
            lambda: table.update(Key, UpdateExpression, ConditionExpression, ExpressionAttributeValues),
        )
        return {"Attributes": item} if ReturnValues == "ALL_NEW" else {}

    def get_item(self, *, TableName: str, Key: Item, ConsistentRead: bool) -> dict[str, Any]:  # noqa: N803
        assert ConsistentRead, "what is not consistent is not simulated"
        found = self._world.effect("dynamodb.get_item", lambda: self._tables[TableName].get(Key))
        return {"Item": found} if found else {}

    def batch_get_item(self, *, RequestItems: dict[str, Any]) -> dict[str, Any]:  # noqa: N803
        [(name, wanted)] = RequestItems.items()

        def get() -> list[Item]:
            found = [self._tables[name].get(key) for key in wanted["Keys"]]
            return [
                _projected(item, wanted["ProjectionExpression"], wanted["ExpressionAttributeNames"])
                for item in found
                if item is not None
            ]

        return {"Responses": {name: self._world.effect("dynamodb.batch_get_item", get)}}

    def query(
        self,
        *,
        TableName: str,  # noqa: N803
        KeyConditionExpression: str,  # noqa: N803
        ExpressionAttributeValues: Item,  # noqa: N803
        ProjectionExpression: str,  # noqa: N803
        ExpressionAttributeNames: dict[str, str],  # noqa: N803
        ConsistentRead: bool,  # noqa: N803
    ) -> dict[str, Any]:
        assert ConsistentRead, "what is not consistent is not simulated"

        def find() -> list[Item]:
            items = self._tables[TableName].items.values()
            found = [item for item in items if _holds(KeyConditionExpression, ExpressionAttributeValues, item)]
            return [_projected(item, ProjectionExpression, ExpressionAttributeNames) for item in found]

        return {"Items": self._world.effect("dynamodb.query", find)}


def _projected(item: Item, expression: str, names: dict[str, str]) -> Item:
    projected = {names.get(name, name) for name in expression.split(", ")}
    return {name: value for name, value in item.items() if name in projected}
