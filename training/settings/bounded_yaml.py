"""YAML that may come from a stranger: read as plain data, within bounds that no settings file needs."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import yaml

from inference.harmless import harmless
from training.errors import why

LARGEST_BYTES = 1_000_000
MOST_VALUES = 20_000  # with every alias counted as often as it stands for something
MOST_DIGITS = 40  # of a whole number
DEEPEST = 30  # lists and mappings in each other


class WrongYaml(Exception):
    """Text that is no YAML, or goes beyond the bounds: why, in words."""


def read_bounded(path: Path) -> object:
    """The content of a YAML file; WrongYaml, and OSError if it cannot be read."""
    with path.open("rb") as file:
        return bounded(file.read(LARGEST_BYTES + 1))


def bounded(text: str | bytes) -> object:
    """The content of a YAML text, bytes in UTF-8 or UTF-16; WrongYaml if it has none that settings could have.

    An alias is small in the file and may be huge in memory: ten levels of ten aliases each stand for ten thousand million
    values. Values are counted before any is made.
    """
    if len(text) > LARGEST_BYTES:
        raise WrongYaml(f"it has more than {LARGEST_BYTES // 1000:,} kB, and settings need a few")
    try:
        _check(text)
        return yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        raise WrongYaml(why(error)) from error
    except (ValueError, OverflowError) as error:  # a date in month 13
        raise WrongYaml(f"a value is out of range: {error}") from error


class _Loader(yaml.SafeLoader):
    """YAML's own loader takes the last of two equal keys without a word, and 1:30 for 90, 0x10 for 16, 010 for 8."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.value != "<<"]
        if twice := [key for key in keys if keys.count(key) > 1]:
            raise yaml.constructor.ConstructorError(None, None, f"{twice[0]!r} is set twice", node.start_mark)
        return super().construct_mapping(node, deep=deep)

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        digits = node.value.replace("_", "").lstrip("+-")
        if not digits.isdecimal() or (digits[0] == "0" and len(digits) > 1):
            raise _refused(node, _not_plain(node.value))
        if len(digits) > MOST_DIGITS:
            raise _refused(node, f"a number of {len(digits):,} digits is none that a setting takes")
        return super().construct_yaml_int(node)

    def construct_yaml_float(self, node: yaml.ScalarNode) -> float:
        if ":" in node.value:
            raise _refused(node, _not_plain(node.value))
        return super().construct_yaml_float(node)

    def construct_undefined(self, node: yaml.Node) -> NoReturn:
        raise _refused(node, f"{harmless(node.tag)[:80]} asks for more than plain values. Take what begins with ! away")


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.construct_yaml_float)
_Loader.add_constructor(None, _Loader.construct_undefined)


def _refused(node: yaml.Node, why_not: str) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(None, None, why_not, node.start_mark)


def _not_plain(text: str) -> str:
    return f"{text[:40]} is no plain number, as 90 or 1e-3 are. Write it as one, or in quotes if it is a name"


def _check(text: str | bytes) -> None:
    """WrongYaml beyond the bounds, by YAML's events alone: they come one by one, whatever the text stands for."""
    sizes: dict[str, int] = {}  # of what an anchor names
    opened: list[tuple[str | None, int]] = []  # anchors of what is not yet closed, and the values before it
    total = 0
    for event in yaml.parse(text, yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in sizes:
                raise WrongYaml(f"the alias *{event.anchor} stands for nothing, or for itself")
            total += sizes[event.anchor]
        elif isinstance(event, yaml.ScalarEvent):
            total += 1
            if event.anchor is not None:
                sizes[event.anchor] = 1
        elif isinstance(event, yaml.CollectionStartEvent):
            opened.append((event.anchor, total))
            total += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = opened.pop()
            if anchor is not None:
                sizes[anchor] = total - before
        if total > MOST_VALUES:
            raise WrongYaml(f"it stands for more than {MOST_VALUES:,} values, and settings need a few")
        if len(opened) > DEEPEST:
            raise WrongYaml(f"its lists and mappings lie more than {DEEPEST} deep in each other")
