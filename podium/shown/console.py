"""The two streams: the answer of a command on stdout, everything else on stderr, so that `podium ... --json | jq` works."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

from pydantic import BaseModel
from rich.console import Console
from rich.table import Table
from rich.text import Text

# Names of classes, runs and photos are a stranger's: none is markup (`car [rear]`) or an emoji (`:car:`).
notes = Console(stderr=True, highlight=False, markup=False, emoji=False)
answer = Console(
    highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else 160
)  # a file or a pipe has no edge to wrap at


def plain_table(*words: str, numbers: Sequence[str] = ()) -> Table:
    """A table without lines: first the columns of words, then those of numbers, which stand on the right."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in words:
        table.add_column(column, overflow="fold")
    for column in numbers:
        table.add_column(column, justify="right")
    return table


def class_cells(classes: Sequence[tuple[str, float]], *, uncertain: bool) -> list[Text]:
    """A cell for each label and its probability; the first is yellow if a person should look, else green."""
    cells = [Text(f"{label} {probability:.1%}") for label, probability in classes]
    for first in cells[:1]:
        first.stylize("yellow" if uncertain else "green")
    return cells


def print_note(sentence: str, style: str | None = None) -> None:
    """A sentence on stderr, which a terminal may wrap and nothing else."""
    notes.print(sentence, style=style, soft_wrap=True)


def print_next(command: str, stack: str | None = None) -> None:
    """On stderr, the command that usually comes next, for the same stack."""
    print_note(f"next: podium {command}" + (f" --stack {stack}" if stack else ""))


def print_line(text: str) -> None:
    """A line on stdout, never wrapped."""
    answer.print(text, soft_wrap=True)


def print_json(document: BaseModel | Sequence[BaseModel] | dict[str, object]) -> None:
    """One JSON document on stdout."""
    if isinstance(document, BaseModel):
        plain: object = document.model_dump(mode="json")
    elif isinstance(document, dict):
        plain = document
    else:
        plain = [record.model_dump(mode="json") for record in document]
    sys.stdout.write(json.dumps(plain, indent=2, ensure_ascii=False) + "\n")
