"""CloudFormation's functions with given parameters: conditions are decided, names are filled in.

What only a deployment knows stays visible as `<Queue.Arn>`: the attribute of a resource that is not there yet.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
ABSENT = object()  # AWS::NoValue: the property is left out


@dataclass(frozen=True)
class Values:
    """The values that a template's functions see: of parameters and pseudo parameters, its mappings and conditions."""

    known: Mapping[str, str | list[str]]
    mappings: Mapping[str, Any] = field(default_factory=dict)
    conditions: Mapping[str, Any] = field(default_factory=dict)

    def holds(self, condition: str) -> bool:
        """Whether a condition of the template is true. KeyError if it has none of that name."""
        return bool(self.of(self.conditions[condition]))

    def of(self, value: Any) -> Any:  # noqa: ANN401 - whatever a template holds
        """The value with every function computed; ABSENT where the template says AWS::NoValue."""
        if isinstance(value, list):
            return [done for it in value if (done := self.of(it)) is not ABSENT]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            (name, argument), *_ = value.items()
            if name == "Ref" or (name == "Condition" and isinstance(argument, str)) or name.startswith("Fn::"):
                return self._function(name.removeprefix("Fn::"), argument)
        return {name: done for name, it in value.items() if (done := self.of(it)) is not ABSENT}

    def _function(self, name: str, argument: Any) -> Any:  # noqa: ANN401, PLR0911, PLR0912 - one line a function
        match name, argument:
            case "Ref", "AWS::NoValue":
                return ABSENT
            case "Ref", _:
                return self.known.get(argument, f"<{argument}>")
            case "GetAtt", _:
                return f"<{'.'.join(map(str, argument))}>"
            case "Condition", _:
                return self.holds(argument)
            case "If", [condition, yes, no]:
                return self.of(yes if self.holds(condition) else no)
            case "Equals", [one, other]:
                return self.of(one) == self.of(other)
            case "Not", [one]:
                return not self.of(one)
            case "And", _:
                return all(map(self.of, argument))
            case "Or", _:
                return any(map(self.of, argument))
            case "Join", [between, parts]:
                return str(between).join(map(str, self.of(parts)))
            case "FindInMap", [table, *path]:
                return self._find(table, path)
            case "Sub", [str(text), dict(more)]:
                return self._sub(text, self.of(more))
            case "Sub", str(text):
                return self._sub(text, {})
            case "Base64", _:
                return base64.b64encode(str(self.of(argument)).encode()).decode()
            case _:
                return f"<{name}>"

    def _find(self, table: Any, path: list[Any]) -> Any:  # noqa: ANN401
        found: Any = self.mappings[self.of(table)]
        for step in path:
            found = found[self.of(step)]
        return found

    def _sub(self, text: str, more: Mapping[str, Any]) -> str:
        def put(match: re.Match[str]) -> str:
            name = match[1]
            return (
                f"${{{name[1:]}}}" if name.startswith("!") else str(more.get(name, self.known.get(name, f"<{name}>")))
            )

        return re.sub(r"\$\{([^}]+)\}", put, text)
