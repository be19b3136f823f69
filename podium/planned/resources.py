"""The resources that a template makes with given parameters: their kinds, their names, their properties."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from podium.planned.template import read_template
from podium.planned.values import ABSENT, Values

Json = dict[str, Any]
ACCOUNT = "ACCOUNT"  # in a name, where nobody asked AWS whose account it is
LISTS = ("CommaDelimitedList", "List<")
# Where each kind has its name; of the others AWS makes one up.
NAMED_BY = (
    "BucketName", "QueueName", "TableName", "FunctionName", "LayerName", "LogGroupName", "StateMachineName", "AlarmName",
    "DashboardName", "TopicName", "RoleName", "Name",
)  # fmt: skip


@dataclass(frozen=True)
class Resource:
    """One resource, with every function of its properties computed."""

    logical: str  # its name in the template
    kind: str  # such as AWS::SQS::Queue
    properties: Mapping[str, Any] = field(default_factory=dict)
    kept: bool = False  # it stays when the stack is deleted

    @property
    def name(self) -> str | None:
        """Its name in AWS; None if AWS makes one up."""
        found = (self.properties.get(key) for key in NAMED_BY)
        return next((it for it in found if isinstance(it, str) and not it.startswith("<")), None)


@dataclass(frozen=True)
class Place:
    """Where a stack is, or would be."""

    stack: str
    region: str
    account: str = ACCOUNT
    partition: str = "aws"

    @property
    def pseudo(self) -> dict[str, str]:
        """CloudFormation's own parameters."""
        return {
            "AWS::StackName": self.stack, "AWS::Region": self.region, "AWS::AccountId": self.account,
            "AWS::Partition": self.partition, "AWS::URLSuffix": "amazonaws.com",
        }  # fmt: skip


def planned(template: Path, place: Place, parameters: Mapping[str, str]) -> list[Resource]:
    """What the template in this file would make; parameters that are left out have their default."""
    return resources_of(read_template(template, place.region), place, parameters)


def resources_of(document: Json, place: Place, parameters: Mapping[str, str]) -> list[Resource]:
    """The resources of a template, in its order, whose conditions hold."""
    values = Values(
        {**place.pseudo, **_parameters(document, parameters)},
        document.get("Mappings", {}),
        document.get("Conditions", {}),
    )
    return [
        Resource(
            logical,
            found["Type"],
            _properties(values, found),
            str(found.get("DeletionPolicy", "")).startswith("Retain"),
        )
        for logical, found in document["Resources"].items()
        if "Condition" not in found or values.holds(found["Condition"])
    ]


def _properties(values: Values, found: Json) -> Json:
    computed = values.of(found.get("Properties", {}))
    return {} if computed is ABSENT else computed


def _parameters(document: Json, given: Mapping[str, str]) -> dict[str, str | list[str]]:
    found: dict[str, str | list[str]] = {}
    for name, declared in document.get("Parameters", {}).items():
        value = str(given.get(name, declared.get("Default", f"<{name}>")))
        is_list = str(declared.get("Type", "")).startswith(LISTS)
        found[name] = [it.strip() for it in value.split(",")] if is_list else value
    return found


def of_kind(resources: Sequence[Resource], kind: str) -> list[Resource]:
    """Those of one kind."""
    return [it for it in resources if it.kind == kind]
