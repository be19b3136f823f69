"""How a plan differs from what is deployed: resources that would be made, changed or deleted."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from podium.planned.resources import Resource

Change = Literal["made", "changed", "deleted", "same"]
CODE = frozenset({"Code", "Content"})  # a build's address: it is another one with every deployment
HASHED = re.compile(
    r"(?<=[A-Za-z])[0-9a-f]{10}\b"
)  # SAM ends a layer's name in the template with a digest of its content


@dataclass(frozen=True)
class PlannedChange:
    """One resource, and what would become of it."""

    resource: Resource
    change: Change
    properties: tuple[str, ...] = ()  # which of them differ


def changes(planned: Sequence[Resource], deployed: Iterable[Resource]) -> list[PlannedChange]:
    """Each resource of the plan against the deployed one of the same name and kind; then those that the plan lacks."""
    before = {_key(it): it for it in deployed}
    found = [_change(it, before.pop(_key(it), None)) for it in planned]
    return [*found, *(PlannedChange(it, "deleted") for it in before.values())]


def _change(after: Resource, before: Resource | None) -> PlannedChange:
    if before is None:
        return PlannedChange(after, "made")
    names = sorted((after.properties.keys() | before.properties.keys()) - CODE)
    differ = tuple(name for name in names if _plain(after, name) != _plain(before, name))
    return PlannedChange(after, "changed" if differ else "same", differ)


def _key(resource: Resource) -> tuple[str, str]:
    return resource.kind, HASHED.sub("", resource.logical)


def _plain(resource: Resource, name: str) -> str:
    """A property as text, numbers and their texts alike: CloudFormation takes either."""
    return HASHED.sub("", json.dumps(_texts(resource.properties.get(name)), sort_keys=True))


def _texts(value: object) -> object:
    if isinstance(value, dict):
        return {name: _texts(it) for name, it in value.items()}
    if isinstance(value, list):
        return [_texts(it) for it in value]
    if isinstance(value, bool):
        return str(value).lower()
    return value if value is None else str(value)
