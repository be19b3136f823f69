"""The parameters of template.yaml, and what each takes: a wrong name or value is refused before anything is built."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from podium.errors import EXIT_USAGE, ConsoleError
from podium.nearest import nearest

NEAR = 0.5  # as for a training's settings


class Parameter(BaseModel):
    """One parameter, as CloudFormation declares it."""

    model_config = ConfigDict(frozen=True)

    allowed: Annotated[tuple[str, ...], BeforeValidator(lambda values: tuple(map(str, values)))] = Field(
        default=(), alias="AllowedValues"
    )
    pattern: str = Field(default="", alias="AllowedPattern")
    constraint: str = Field(default="", alias="ConstraintDescription")

    def why_not(self, value: str) -> str | None:
        """What the parameter must be, if it cannot have this value."""
        if self.allowed and value not in self.allowed:
            return f"must be {' or '.join(self.allowed)}"
        if self.pattern and not re.fullmatch(self.pattern, value):
            return self.constraint or f"must match {self.pattern}"
        return None


class _CloudFormation(yaml.SafeLoader):
    """YAML with CloudFormation's short forms, such as !Ref; parameters have none, so each is None."""


_CloudFormation.add_multi_constructor("!", lambda _loader, _tag, _node: None)


@cache
def template_parameters(template: Path) -> Mapping[str, Parameter]:
    """The parameters of a template by their names."""
    document = yaml.load(template.read_bytes(), Loader=_CloudFormation)  # noqa: S506 - a SafeLoader
    return {name: Parameter.model_validate(fields) for name, fields in document["Parameters"].items()}


def check_parameter(name: str, value: str, option: str, template: Path) -> None:
    """ConsoleError about the value of `option`, unless the template has such a parameter and takes the value."""
    known = template_parameters(template)
    if name not in known:
        near = nearest(name, known, 1, NEAR)
        hint = f"Did you mean {near[0]}?" if near else f"It has {', '.join(known)}."
        raise ConsoleError(f"{option}: template.yaml has no parameter {name!r}. {hint}", EXIT_USAGE)
    if why := known[name].why_not(value):
        raise ConsoleError(f"{option} {value!r} {why}.", EXIT_USAGE)
