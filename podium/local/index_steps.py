"""From the indexes that a table on AWS has to those of template.yaml: CloudFormation adds or removes one an update.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-dynamodb-table.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import TableDescriptionTypeDef

_ATTRIBUTES = re.compile(r"(?<=\n)      AttributeDefinitions:\n(?:        .*\n)+?(?=      KeySchema:)")
_INDEXES = re.compile(r"(?<=\n)      GlobalSecondaryIndexes:\n(?:        .*\n|          .*\n)+?(?=      \w)")


@dataclass(frozen=True)
class GlobalIndex:
    """An index: its name, and its key's attributes with their types, such as `("label", "S")`."""

    name: str
    key: tuple[tuple[str, str], ...]

    @property
    def definition(self) -> dict[str, object]:
        """As a template has it."""
        kinds = ("HASH", "RANGE")
        schema = [{"AttributeName": name, "KeyType": kind} for (name, _), kind in zip(self.key, kinds, strict=False)]
        return {"IndexName": self.name, "KeySchema": schema, "Projection": {"ProjectionType": "ALL"}}


def deployed_indexes(table: TableDescriptionTypeDef) -> list[GlobalIndex]:
    """The indexes of a table that is there."""
    types = {it["AttributeName"]: it["AttributeType"] for it in table["AttributeDefinitions"]}
    return [
        _index(it["IndexName"], [dict(part) for part in it["KeySchema"]], types)
        for it in table.get("GlobalSecondaryIndexes", [])
    ]


def indexes_of(template: str) -> list[GlobalIndex]:
    """The indexes that the template gives the table of results."""
    properties = yaml.safe_load("".join(_blocks(template)))
    types = {it["AttributeName"]: it["AttributeType"] for it in properties["AttributeDefinitions"]}
    return [_index(it["IndexName"], it["KeySchema"], types) for it in properties["GlobalSecondaryIndexes"]]


def additions(template: str, deployed: Sequence[GlobalIndex]) -> list[str]:
    """Templates that add the indexes that are missing, one each, and keep the old ones; each deployed after the one before."""
    here = list(deployed)
    steps = []
    for index in indexes_of(template):
        if index not in here:
            here.append(index)
            steps.append(with_indexes(template, here))
    return steps


def removals(template: str, deployed: Sequence[GlobalIndex]) -> list[str]:
    """Templates that remove the indexes that are not wanted any more, one each; the last is the template itself."""
    wanted = indexes_of(template)
    old = [index for index in deployed if index not in wanted]
    return [with_indexes(template, wanted + old[number:]) for number in range(1, len(old))] + [template] * bool(old)


def with_indexes(template: str, indexes: Sequence[GlobalIndex]) -> str:
    """The template, with these indexes of the table of results in place of its own."""
    attributes, _ = _blocks(template)
    types = {it["AttributeName"]: it["AttributeType"] for it in yaml.safe_load(attributes)["AttributeDefinitions"]}
    own = {name: types[name] for name in ("image", "model")}
    used = own | {name: kind for index in indexes for name, kind in index.key}
    definitions = [{"AttributeName": name, "AttributeType": kind} for name, kind in used.items()]
    text = _ATTRIBUTES.sub(_block("AttributeDefinitions", definitions), template, count=1)
    return _INDEXES.sub(_block("GlobalSecondaryIndexes", [it.definition for it in indexes]), text, count=1)


def _blocks(template: str) -> tuple[str, str]:
    attributes, indexes = _ATTRIBUTES.search(template), _INDEXES.search(template)
    if attributes is None or indexes is None:
        raise ValueError("template.yaml has no table with indexes")
    return attributes[0], indexes[0]


def _block(name: str, entries: Sequence[Mapping[str, object]]) -> str:
    """A list as a template has it, an entry a line; JSON is YAML."""
    return f"      {name}:\n" + "".join(f"        - {json.dumps(entry)}\n" for entry in entries)


def _index(name: str, schema: Sequence[Mapping[str, Any]], types: Mapping[str, str]) -> GlobalIndex:
    in_order = sorted(schema, key=lambda part: part["KeyType"])  # HASH, RANGE
    return GlobalIndex(name, tuple((part["AttributeName"], types[part["AttributeName"]]) for part in in_order))
