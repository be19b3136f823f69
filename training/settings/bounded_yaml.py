"""YAML that may come from a stranger: read as plain data, within bounds that no settings file needs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import yaml

from inference.harmless import harmless
from training.errors import why

LARGEST_BYTES = 1_000_000
MOST_VALUES = 20_000  # with every alias counted as often as it stands for something
MOST_DIGITS = 40  # of a whole number
DEEPEST = 30  # lists and mappings in each other
PLAIN = {  # the tag that may be written before a value, as in `!!str 010`
    yaml.ScalarEvent: "!!str",
    yaml.SequenceStartEvent: "!!seq",
    yaml.MappingStartEvent: "!!map",
}
MERGES = "<<"  # the key whose value is other keys


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
    except yaml.reader.ReaderError as error:
        raise WrongYaml(_no_text(error)) from error
    except yaml.YAMLError as error:
        raise WrongYaml(why(error)) from error


class _Loader(yaml.SafeLoader):
    """YAML's own loader takes the last of two equal keys without a word, 1:30 for 90, 0x10 for 16, 010 for 8, and makes dates."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _refused(key, "a name belongs before the colon, not a list or a mapping")
            if key.value in seen:
                raise _refused(key, f"{key.value!r} is set twice")
            seen |= {key.value} - {MERGES}
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

    def construct_word(self, node: yaml.ScalarNode) -> str:
        return str(node.value)

    def construct_date(self, node: yaml.ScalarNode) -> NoReturn:
        raise _refused(
            node, f"{_short(node.value)} is a date, which no setting takes. Write it in quotes if it is a name"
        )


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.construct_yaml_float)
_Loader.add_constructor("tag:yaml.org,2002:timestamp", _Loader.construct_date)
for word in ("value", "merge"):  # `=` and `<<` in the place of a value
    _Loader.add_constructor(f"tag:yaml.org,2002:{word}", _Loader.construct_word)


def _refused(node: yaml.Node, why_not: str) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(None, None, why_not, node.start_mark)


def _short(text: str) -> str:
    return harmless(text)[:40]


def _not_plain(text: str) -> str:
    return f"{_short(text)} is no plain number, as 90 or 1e-3 are. Write it as one, or in quotes if it is a name"


def _no_text(error: yaml.reader.ReaderError) -> str:
    """The sentence about bytes or characters that no YAML has."""
    if error.encoding != "unicode":
        return f"it is no text in {error.encoding.upper()}. Save it anew, as text in UTF-8"
    return f"it has the character U+{error.character:04X}, which is none of a text. Save it anew, as text in UTF-8"


def _plain_events(text: str | bytes) -> Iterator[yaml.Event]:
    """The events of one document; WrongYaml over a second one, and over a tag that asks for more than plain values."""
    documents = 0
    for event in yaml.parse(text, yaml.SafeLoader):
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise WrongYaml(f"line {line}: a second document begins here. Keep one of them")
        elif isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent):
            tag = (event.tag or "!").replace("tag:yaml.org,2002:", "!!")
            if tag not in ("!", PLAIN[type(event)]):
                raise WrongYaml(
                    f"line {line}: {_short(tag)} asks for more than plain values. Take what begins with ! away"
                )
        yield event


def _check(text: str | bytes) -> None:
    """WrongYaml beyond the bounds, by YAML's events alone: they come one by one, whatever the text stands for."""
    sizes: dict[str, int] = {}  # of what an anchor names
    opened: list[tuple[str | None, int]] = []  # anchors of what is not yet closed, and the values before it
    total = 0
    for event in _plain_events(text):
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
