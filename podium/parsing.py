"""How a command line is read: an option needs its value, and the error about a wrong value names the right ones."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, get_args, get_origin

import typer
from typer.core import TyperCommand, TyperOption

from podium.errors import EXIT_USAGE, ConsoleError

if TYPE_CHECKING:
    from typer._click.core import Context, Parameter

NUMBERS = {int: "a whole number", float: "a number"}


class Command(TyperCommand):
    """A command that takes no option for the value of another and no blank for a name, and whose numbers are finite and in their range."""

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        """Parse the words behind the command's name; ConsoleError over a value that cannot be, a blank, or an option without its value."""
        self._check_values(args[: args.index("--")] if "--" in args else args)
        self._check_blanks(ctx, args)
        try:
            rest = super().parse_args(ctx, args)
        except typer.BadParameter as error:
            if error.param is None or not (wanted := _wanted(error.param)):
                raise
            raise _wrong(error.param, _given(error), wanted) from error
        self._check_finite(ctx.params)
        return rest

    def _check_values(self, words: Sequence[str]) -> None:
        names = {name for parameter in self.params for name in (*parameter.opts, *parameter.secondary_opts)}
        valued = {name for it in self.params if isinstance(it, TyperOption) and not it.is_flag for name in it.opts}
        for word, value in pairwise(words):
            if word in valued and (value.startswith("--") or value in names):
                raise ConsoleError(
                    f"{word} needs a value, and {value} follows it. A value that begins so is written {word}={value}.",
                    EXIT_USAGE,
                )

    def _check_blanks(self, ctx: Context, words: Sequence[str]) -> None:
        """An empty name is a shell's variable that is not set: it means neither all images nor this folder."""
        given, _, _ = self.make_parser(ctx).parse_args(list(words))
        for parameter in self.params:
            values = given.get(str(parameter.name))
            several = values if isinstance(values, list | tuple) else [values]
            for before, value in pairwise([None, *several]):
                if isinstance(value, str) and not value.strip():
                    setting = isinstance(before, str) and before.startswith("--")  # of a training: it is a word here
                    raise _blank(str(before) if setting else _called(parameter), value, needed=parameter.required)

    def _check_finite(self, values: Mapping[str, object]) -> None:
        for parameter in self.params:
            value = values.get(str(parameter.name))
            if isinstance(value, float) and not math.isfinite(value):
                raise _wrong(parameter, value, _wanted(parameter))


def _wrong(parameter: Parameter, value: object, wanted: str) -> ConsoleError:
    return ConsoleError(f"{parameter.opts[0]} {value}: give {wanted}.", EXIT_USAGE)


def _blank(name: str, value: str, *, needed: bool) -> ConsoleError:
    action = "Give a value." if needed else "Give a value, or leave it out."
    return ConsoleError(f"{name} {value!r} is blank, as a variable of the shell that is not set. {action}", EXIT_USAGE)


def _called(parameter: Parameter) -> str:
    """An option's name, or the word that stands for an argument in the help."""
    return parameter.opts[0] if isinstance(parameter, TyperOption) else parameter.metavar or str(parameter.name).upper()


def _given(error: typer.BadParameter) -> object:
    """The value that pydantic refused, for typer."""
    from pydantic import ValidationError

    cause = error.__cause__
    return cause.errors()[0]["input"] if isinstance(cause, ValidationError) else ""


def _wanted(parameter: Parameter) -> str:
    """`a whole number from 16 to 1024`, `table or csv`; empty if the parameter takes any text."""
    if not isinstance(parameter, TyperOption):
        return ""
    kind: object = parameter.type_descriptor.annotation
    if get_origin(kind) is Literal:
        return " or ".join(get_args(kind))
    if not isinstance(kind, type) or kind not in NUMBERS:
        return ""
    number = NUMBERS[kind]
    if parameter.min is None:
        return number
    return (
        f"{number} from {parameter.min:g} to {parameter.max:g}"
        if parameter.max is not None
        else f"{number}, at least {parameter.min:g}"
    )
