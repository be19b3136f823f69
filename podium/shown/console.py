"""The two streams: the answer of a command on stdout, everything else on stderr, so that `podium ... --json | jq` works."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import BaseModel
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.style import StyleType
from rich.table import Table
from rich.text import Text

from inference.harmless import harmless, harmless_json

# Names of classes, runs and photos are a stranger's: none is markup (`car [rear]`) or an emoji (`:car:`).


class HarmlessConsole(Console):
    """A console on which no text steers the terminal, whoever wrote it."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """The segments of rich's own; those that rich itself steers with stay."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=harmless(segment.text, lines=True))

    def render_str(self, text: str, *args: Any, **options: Any) -> Text:  # noqa: ANN401 - as rich's
        """Rich's own text of a string; it leaves out some controls that it finds, so they are made visible before."""
        return super().render_str(harmless(text, lines=True), *args, **options)


def visible(text: str, style: StyleType = "") -> Text:
    """A text for a console or a cell. Rich's own `Text` leaves out some controls (bell, backspace, ...), so that two names
    would look alike: they are made visible before.
    """
    return Text(harmless(text, lines=True), style)


notes = HarmlessConsole(stderr=True, highlight=False, markup=False, emoji=False)
answer = HarmlessConsole(
    highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else 160
)  # a file or a pipe has no edge to wrap at


class HarmlessTable(Table):
    """A table in which no cell's text makes a line of its own, or hides."""

    def add_row(self, *cells: RenderableType | None, style: StyleType | None = None, end_section: bool = False) -> None:
        """Add a row; a cell's characters are made visible before its width is measured."""
        super().add_row(*map(_harmless_cell, cells), style=style, end_section=end_section)


def _harmless_cell(cell: RenderableType | None) -> RenderableType | None:
    if isinstance(cell, Text):
        cell.plain = harmless(cell.plain)  # as long as before: its styles stay in place
        return cell
    return harmless(cell) if isinstance(cell, str) else cell


def plain_table(*words: str, numbers: Sequence[str] = (), header: bool = True) -> Table:
    """A table without lines: first the columns of words, then those of numbers, which stand on the right."""
    table = HarmlessTable(box=None, pad_edge=False, header_style="bold", show_header=header)
    for column in words:
        table.add_column(harmless(column), overflow="fold")
    for column in numbers:
        table.add_column(harmless(column), justify="right")
    return table


def class_cells(classes: Sequence[tuple[str, float]], *, uncertain: bool) -> list[Text]:
    """A cell for each label and its probability; the first is yellow if a person should look, else green."""
    cells = [visible(f"{label} {probability:.1%}") for label, probability in classes]
    for first in cells[:1]:
        first.stylize("yellow" if uncertain else "green")
    return cells


def print_note(sentence: str, style: str | None = None) -> None:
    """A sentence on stderr, in one line, which a terminal may wrap and nothing else."""
    notes.print(harmless(sentence), style=style, soft_wrap=True)


def print_next(*words: object, stack: str | None = None, then: str = "") -> None:
    """On stderr, the command that usually comes next, for the same stack, as a shell takes it; `then`: what may come after."""
    print_note(f"next: {command(*words, stack=stack)}{then}")


def command(*words: object, stack: str | None = None) -> str:
    """`podium WORDS...`, with a space or a sign in a name quoted for a shell."""
    return shlex.join(["podium", *map(str, words), *(["--stack", stack] if stack else [])])


def print_line(text: str) -> None:
    """A line on stdout, never wrapped."""
    answer.print(harmless(text), soft_wrap=True)


def print_json(document: BaseModel | dict[str, object] | Sequence[BaseModel | dict[str, object]]) -> None:
    """One JSON document on stdout."""
    plain: object = _plain(document) if isinstance(document, BaseModel | dict) else [_plain(one) for one in document]
    sys.stdout.write(harmless_json(json.dumps(plain, indent=2, ensure_ascii=False)) + "\n")


def _plain(record: BaseModel | dict[str, object]) -> dict[str, object]:
    return record.model_dump(mode="json") if isinstance(record, BaseModel) else record
