"""CSV tables: our own, and those that people save with the semicolons or tabs of a spreadsheet.

Names of files that are no UTF-8 keep their bytes, as lone surrogates.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TextIO

from inference.harmless import exact_cell, harmless_cell, text_of_cell
from training.files import replacing

LONGEST_HEADER = 1_000_000  # characters


class WrongHeader(csv.Error):
    """A first line that is no table's: why, in words. Any other csv.Error has the words of Python's library."""


def read_table(file: TextIO) -> csv.DictReader[str]:
    """A reader of the lines under the header, whose names lose the spaces around them; the file stands at its beginning.

    Fields end at commas; if the header has none, at semicolons or else at tabs. Raises WrongHeader over a column that is
    there twice, and over a first line without end, and csv.Error over a cell without end.
    """
    header = file.readline(LONGEST_HEADER)
    if len(header) == LONGEST_HEADER:
        raise WrongHeader(f"its first line has more than {LONGEST_HEADER:,} characters, so it is no header")
    file.seek(0)
    reader = csv.DictReader(file, delimiter=next((mark for mark in ",;\t" if mark in header), ","))
    reader.fieldnames = names = [name.strip() for name in reader.fieldnames or ()]
    if twice := [name for name in names if name and names.count(name) > 1]:
        raise WrongHeader(f"its header names the column {twice[0]!r} twice")
    return reader


def write_rows(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]], *, exact: bool = False) -> None:
    """A CSV file that appears whole or not at all; no cell steers a terminal, or is a formula.

    `exact` keeps the very names, with what would steer: for lists by which photos are opened again.
    """
    made = exact_cell if exact else harmless_cell
    with replacing(path) as draft, draft.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(map(made, row) for row in rows)


def read_rows(path: Path) -> tuple[dict[str, str], ...]:
    """The lines of a CSV file that `write_rows` wrote, by its header; FileNotFoundError if there is none."""
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        return tuple({name: text_of_cell(cell) for name, cell in row.items()} for row in csv.DictReader(file))
