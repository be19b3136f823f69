"""The command that comes next, as a shell takes it."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from podium.shown.console import command, print_next


@pytest.mark.parametrize("name", ["monday", " ", "two words", "it's", "$HOME", "a;b", "*"])
def test_a_suggested_command_gives_a_shell_the_very_name(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_next("watch", name, stack="prod")
    printed = capsys.readouterr().err.removeprefix("next: ")
    assert shlex.split(printed) == ["podium", "watch", name, "--stack", "prod"]


def test_what_may_come_after_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    run = Path("runs/my balls")
    print_next("evaluate", run, then=f", or {command('package', run)}")
    assert capsys.readouterr().err == "next: podium evaluate 'runs/my balls', or podium package 'runs/my balls'\n"
