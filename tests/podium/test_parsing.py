"""A blank name, as an unset variable of the shell is one, is an error of every option and argument, and not 'all' or 'here'."""

from __future__ import annotations

import pytest
from typer.core import TyperArgument, TyperOption

from tests.podium.commands.console import every_command, refused

COMMANDS = every_command()
OPTIONS = [
    (name, option)
    for name, command in COMMANDS.items()
    for it in command.params
    if isinstance(it, TyperOption) and not it.is_flag
    for option in it.opts
]
ARGUMENTS = [name for name, command in COMMANDS.items() if any(isinstance(it, TyperArgument) for it in command.params)]


@pytest.mark.parametrize("blank", ["", " ", "\t\n"])
@pytest.mark.parametrize(("name", "option"), OPTIONS)
def test_a_blank_value_of_an_option_is_an_error(name: str, option: str, blank: str) -> None:
    assert refused(*name.split(), option, blank).startswith(f"{option} {blank!r} is blank")
    assert refused(*name.split(), f"{option}={blank}").startswith(f"{option} {blank!r} is blank")


@pytest.mark.parametrize("blank", ["", " "])
@pytest.mark.parametrize("name", ARGUMENTS)
def test_a_blank_argument_is_an_error(name: str, blank: str) -> None:
    for words in ([blank], ["--", blank]):
        assert f"{blank!r} is blank, as a variable of the shell that is not set" in refused(*name.split(), *words)


def test_a_blank_word_among_others_is_named_by_what_it_is_for() -> None:
    assert refused("predict", "photos", "", "--run", "/tmp").startswith("PATH... '' is blank")
    assert refused("train", "photos", "--mixup", "").startswith("--mixup '' is blank")
    assert refused("train", "photos", "").startswith("WORDS... '' is blank")


def test_what_a_command_needs_is_not_left_out() -> None:
    assert refused("watch", "").endswith(" Give a value.")
    assert refused("results", "").endswith(" Give a value, or leave it out.")
