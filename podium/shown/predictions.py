"""Predictions as a table, JSON lines or CSV, streamed so that their number does not matter; or as one JSON document."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from inference.harmless import harmless, harmless_cell, harmless_json
from podium.shown.console import HarmlessConsole, answer, class_cells, plain_table, visible
from training.files import replacing
from training.sentences import plural

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from podium.shown.progress import OnNote
    from training.prediction.predict import PhotoResult

ROWS_AT_ONCE = 200  # a table's columns are as wide as these rows need


@dataclass
class PhotoCounts:
    """How many photos went by, how many of them unreadable, and how many uncertain."""

    photos: int = 0
    unreadable: int = 0
    uncertain: int = 0

    def count(self, results: Iterable[PhotoResult], note: OnNote | None = None) -> Iterator[PhotoResult]:
        """The same results, counted, their paths as text that can be written; `note` gets the count."""
        from training.data.audited import spelled

        for result in results:
            self.photos += 1
            if note is not None:
                note(plural(self.photos, "photo"))
            self.unreadable += result.code is not None
            self.uncertain += result.uncertain
            yield replace(result, path=spelled(result.path))

    def __str__(self) -> str:
        unread = f", {self.unreadable} could not be read" if self.unreadable else ""
        return f"{plural(self.photos, 'photo')}: {self.uncertain} uncertain{unread}"


def write(results: Iterable[PhotoResult], form: str, top_k: int, out: Path | None) -> None:
    """The results in a file or on stdout, in one of the forms table, jsonl, csv."""
    with _opened(out) as file:
        if form == "jsonl":
            file.writelines(harmless_json(json.dumps(plain(one), ensure_ascii=False)) + "\n" for one in results)
        elif form == "csv":
            _write_csv(results, top_k, file)
        else:
            console = answer if out is None else HarmlessConsole(file=file, width=160, highlight=False, markup=False)
            _print_tables(results, console)


def document(results: Iterable[PhotoResult], out: Path | None) -> None:
    """All results as one JSON document."""
    with _opened(out) as file:
        whole = {"predictions": [plain(one) for one in results]}
        file.write(harmless_json(json.dumps(whole, indent=2, ensure_ascii=False)) + "\n")


def plain(result: PhotoResult) -> dict[str, object]:
    """A photo's result for JSON: an unreadable photo has a code and a reason, any other has classes."""
    if result.code is not None:
        return {"path": result.path, "code": result.code, "reason": result.reason}
    top = [asdict(step) for step in result.predictions]
    return {"path": result.path, "uncertain": result.uncertain, "top": top}


def _write_csv(results: Iterable[PhotoResult], top_k: int, file: TextIO) -> None:
    names = ["", *(str(rank) for rank in range(2, top_k + 1))]
    writer = csv.writer(file, lineterminator="\n")
    steps = [f"{column}{rank}" for rank in names for column in ("label", "probability")]
    writer.writerow(["path", *steps, "uncertain", "code", "reason"])
    for one in results:
        cells = [cell for step in one.predictions for cell in (step.label, f"{step.probability:.6f}")]
        padded = cells + [""] * (2 * top_k - len(cells))
        doubt = "" if one.code else str(one.uncertain).lower()
        writer.writerow(map(harmless_cell, [one.path, *padded, doubt, one.code or "", one.reason or ""]))


def _print_tables(results: Iterable[PhotoResult], console: Console) -> None:
    coming = iter(results)
    while rows := list(islice(coming, ROWS_AT_ONCE)):
        if read := [row for row in rows if row.code is None]:
            console.print(_table(read))
        for row in rows:
            if row.code is not None:
                console.print(visible(harmless(f"{row.path}: {row.reason}"), "red"), soft_wrap=True)


def _table(rows: list[PhotoResult]) -> Table:
    ranks = range(1, len(rows[0].predictions) + 1)
    table = plain_table("photo", *({1: "1st", 2: "2nd", 3: "3rd"}.get(rank, f"{rank}th") for rank in ranks))
    for row in rows:
        steps = [(step.label, step.probability) for step in row.predictions]
        table.add_row(visible(row.path), *class_cells(steps, uncertain=row.uncertain))
    return table


@contextmanager
def _opened(out: Path | None) -> Iterator[TextIO]:
    if out is None:
        yield sys.stdout
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    with replacing(out) as draft, draft.open("w", newline="", encoding="utf-8") as file:
        yield file
