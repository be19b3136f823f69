"""A JSON file of an archive, read strictly: what two readers could read differently, or what has no end, is refused.

bytes, bounded -> JSON -> Document -> fields, each checked
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeGuard

from inference.archive.errors import AGAIN, ModelRefused, short

MOST_BYTES = 8 * 2**20  # of one document: ImageNet-21k takes 2 MB. As Python objects they may be 30 times as large
_ABSENT = object()
_IN_WORDS: Mapping[type, str] = {
    str: "a text",
    list: "a list",
    dict: "an object",
    int: "a whole number",
    float: "a number",
}
_HALF = re.compile("[\ud800-\udfff]")


def read_at_most(path: Path, most: int = MOST_BYTES) -> bytes:
    """The content of a file in a folder. Raises ModelRefused if there is none, or if it is larger than `most` bytes."""
    if not path.is_file():  # a pipe or a device would never end
        raise ModelRefused(f"{path.name} is missing.", "Package the model with `podium package`.")
    with path.open("rb") as opened:
        data = opened.read(most + 1)
    if len(data) > most:
        raise ModelRefused(f"{path.name} is larger than {most / 2**20:g} MiB, which none of ours is.", AGAIN)
    return data


def is_text(text: str) -> bool:
    """Whether UTF-8 can write it: JSON may hold half a character, which nobody can write again."""
    return text.isascii() or _HALF.search(text) is None


class Document:
    """A JSON document, or a part of one, by its name; a field that is missing or wrong raises ModelRefused."""

    def __init__(self, content: object, name: str) -> None:
        self.content: Any = content
        self.name = name

    @classmethod
    def parsed(cls, data: bytes, name: str) -> Document:
        """Raises ModelRefused if it is no JSON, names a key twice, or holds NaN, Infinity or half a character."""
        try:
            content = json.loads(
                data.decode("utf-8"), object_pairs_hook=_object, parse_constant=_no_number, parse_float=_finite
            )
            half = next((text for text in _texts(content) if not is_text(text)), None)
        except RecursionError as error:
            raise ModelRefused(f"{name} is nested too deep.", AGAIN) from error
        except ValueError as error:
            raise ModelRefused(f"{name} is no JSON ({error}).", AGAIN) from error
        if half is not None:
            raise ModelRefused(f"{name}: {short(half)} holds half a character, which is no text.", AGAIN)
        return cls(content, name)

    def has(self, path: str) -> bool:
        """Whether there is a field of this path, as `uncertainty.threshold`, that is not null."""
        return self._value(path) not in (None, _ABSENT)

    def field[Kind](self, path: str, kind: type[Kind]) -> Kind:
        """The field of this path, of this kind."""
        value = self._value(path)
        if value is _ABSENT:
            raise ModelRefused(f"{self.name} has no {path}.", AGAIN)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is int):
            raise self.wrong(path, _IN_WORDS[kind])
        return value

    def number(self, path: str, *, least: float, most: float) -> float:
        """A number from `least` to `most`."""
        value = self.field(path, object)
        if not is_number(value, least, most):
            raise self.wrong(path, f"a number from {least:g} to {most:g}")
        return float(value)

    def text(self, path: str, pattern: re.Pattern[str], what: str) -> str:
        """A text of this pattern; `what` says it in words."""
        value = self.field(path, str)
        if not pattern.fullmatch(value):
            raise self.wrong(path, what)
        return value

    def wrong(self, path: str, expected: str) -> ModelRefused:
        """The refusal of a field."""
        return ModelRefused(f"{self.name}: {path} is {short(self._value(path))}, expected {expected}.", AGAIN)

    def _value(self, path: str) -> Any:  # noqa: ANN401 - JSON
        value = self.content
        for key in path.split("."):
            value = value.get(key, _ABSENT) if isinstance(value, dict) else _ABSENT
        return value


def is_number(value: object, least: float, most: float) -> TypeGuard[float]:
    """Whether a value of JSON is a number from `least` to `most`; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"it has the key {short(name)} twice")
        found[name] = value
    return found


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is no number")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"{short(digits)} is larger than any number")
    return number


def _texts(value: object) -> Iterator[str]:
    """Every text in a JSON value, keys, too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from value
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            if isinstance(one, str | dict | list):
                yield from _texts(one)
