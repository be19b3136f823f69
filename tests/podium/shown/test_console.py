"""The command that comes next, as a shell takes it."""

from __future__ import annotations

import ast
import shlex
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from rich.console import RenderableType

import podium.shown
from podium.shown.console import HarmlessConsole, class_cells, command, plain_table, print_next, visible


@pytest.mark.parametrize("name", ["monday", " ", "two words", "it's", "$HOME", "a;b", "*"])
def test_a_suggested_command_gives_a_shell_the_very_name(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_next("watch", name, stack="prod")
    printed = capsys.readouterr().err.removeprefix("next: ")
    assert shlex.split(printed) == ["podium", "watch", name, "--stack", "prod"]


def test_what_may_come_after_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    run = Path("runs/my balls")
    print_next("evaluate", run, then=f", or {command('package', run)}")
    assert capsys.readouterr().err == "next: podium evaluate 'runs/my balls', or podium package 'runs/my balls'\n"


CONTROLS = {"\x07": "␇", "\x08": "␈", "\x0b": "␋", "\x0c": "␌", "\r": "␍", "\x1b": "␛", "\n": "␊"}


@pytest.mark.parametrize("make", [visible, str], ids=["a text", "a string"])
@pytest.mark.parametrize("control", CONTROLS)
def test_a_control_in_a_cell_is_seen(control: str, make: Callable[[str], RenderableType]) -> None:
    """Rich leaves some of them out, so that `vt.jpg` and another `vt.jpg` looked alike."""
    file = StringIO()
    table = plain_table("photo")
    table.add_row(make(f"vt{control}.jpg"))
    HarmlessConsole(file=file, width=160, markup=False).print(table)
    assert f"vt{CONTROLS[control]}.jpg" in file.getvalue()


@pytest.mark.parametrize("control", sorted({*CONTROLS} - {"\n"}))
def test_a_control_in_a_line_is_seen(control: str) -> None:
    file = StringIO()
    HarmlessConsole(file=file, width=160, markup=False).print(f"vt{control}.jpg")
    assert file.getvalue() == f"vt{CONTROLS[control]}.jpg\n"


def test_a_label_with_a_control_is_seen() -> None:
    assert class_cells([("a\x0b", 0.5)], uncertain=False)[0].plain == "a␋ 50.0%"


def test_texts_are_made_in_one_place() -> None:
    """Everywhere else, rich's `Text` would leave out what `visible` shows."""
    shown = Path(podium.shown.__file__).parent
    made = [
        f"{path.name}:{call.lineno}"
        for path in sorted(shown.parent.rglob("*.py"))
        if path != shown / "console.py"
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call) and any(ast.unparse(it).split(".")[0] == "Text" for it in (call.func, *call.args))
    ]
    assert made == []
