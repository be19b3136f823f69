"""What a setting may be, in words, read from its type: `a whole number (at least 1) or auto`."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Union

from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

WORDS = {bool: "true or false", str: "a word", Path: "a path", dict: "settings in braces, as {drop_rate: 0.1}"}
NUMBERS = {int: "a whole number", float: "a number"}


@dataclass(frozen=True)
class Means:
    """Beside the type of a setting that is text: what the text may be, for a sentence."""

    words: str
    free: bool = False  # people choose it, as they choose the names of folders


def allowed(field: FieldInfo) -> str:
    """The values that a setting takes; a sentence can go on with it after `give`."""
    kinds = list(dict.fromkeys(_kinds(field.annotation, field.metadata)))
    return " or ".join([", ".join(kinds[:-1]), kinds[-1]]) if len(kinds) > 1 else kinds[0]


def takes_text(field: FieldInfo) -> bool:
    """Whether every value of the setting is a text, but for none: a path, a name, one of several words."""
    return _is_text(field.annotation)


def is_free(field: FieldInfo) -> bool:
    """Whether people name its values as they like, and so by what YAML takes for a number or a truth value."""
    return WORDS[Path] in _kinds(field.annotation, ()) or any(
        isinstance(it, Means) and it.free for it in field.metadata
    )


def _is_text(annotation: object) -> bool:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (Union, types.UnionType):
        return all(map(_is_text, arguments))
    if origin is Annotated:
        return _is_text(arguments[0])
    if origin is Literal:
        return all(isinstance(word, str) for word in arguments)
    return annotation in (str, Path, type(None))


def _kinds(annotation: object, bounds: Sequence[object]) -> Iterator[str]:
    """Each kind of value; the bounds are those beside the type."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (Union, types.UnionType):
        for part in arguments:
            yield from _kinds(part, bounds)
    elif origin is Annotated:
        inner = [
            each for about in arguments[1:] for each in (about.metadata if isinstance(about, FieldInfo) else [about])
        ]
        yield from _kinds(arguments[0], [*inner, *bounds])
    elif origin is Literal:
        yield from map(str, arguments)
    elif annotation is type(None):
        yield "none"
    elif annotation in NUMBERS:
        yield NUMBERS[annotation] + _range(bounds)
    elif annotation is str and (means := [bound for bound in bounds if isinstance(bound, Means)]):
        yield means[0].words
    elif (origin or annotation) in WORDS:  # others are set by recipes alone
        yield WORDS[typing.cast(type, origin or annotation)]


def _range(bounds: Sequence[object]) -> str:
    """` (at least 0 and under 1)`, or nothing."""
    words = {Ge: "at least", Gt: "above", Le: "at most", Lt: "under"}
    limits = [
        f"{words[type(bound)]} {_plain(getattr(bound, type(bound).__name__.lower()))}"
        for bound in bounds
        if type(bound) in words
    ]
    return f" ({' and '.join(limits)})" if limits else ""


def _plain(bound: float) -> str:
    return str(bound) if isinstance(bound, int) else f"{bound:g}"
