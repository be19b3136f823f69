"""The console's commands in this process, and the sentence with which one of them refuses."""

from __future__ import annotations

from pathlib import Path

import typer
from typer.core import TyperCommand, TyperGroup
from typer.testing import CliRunner, Result

from podium.app import app
from podium.errors import EXIT_USAGE, ConsoleError


def every_command() -> dict[str, TyperCommand]:
    """Each by its words: `drop`, `rollout start`."""
    found: dict[str, TyperCommand] = {}
    for name, one in typer.main.get_group(app).commands.items():
        if isinstance(one, TyperGroup):
            found |= {f"{name} {verb}": it for verb, it in one.commands.items() if isinstance(it, TyperCommand)}
        elif isinstance(one, TyperCommand):
            found[name] = one
    return found


def podium(*words: str | Path, stdin: str | None = None) -> Result:
    """Run one command."""
    return CliRunner().invoke(app, [str(word) for word in words], input=stdin)


def refused(*words: str | Path, exit_code: int = EXIT_USAGE) -> str:
    """The sentence with which the console ends."""
    error = podium(*words).exception
    assert isinstance(error, ConsoleError)
    assert error.exit_code == exit_code
    assert "\n" not in str(error)
    return str(error)
