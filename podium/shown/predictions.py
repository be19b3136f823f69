"""Predictions as a table, as JSON lines, as CSV or as one JSON document; streamed, so that their number does not matter."""

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

from rich.console import Console
from rich.table import Table
from rich.text import Text

from podium.shown import results as present

if TYPE_CHECKING:
    from podium.shown.progress import OnNote
    from training.prediction.predict import PhotoResult, Prediction

ROWS_AT_ONCE = 200  # a table's columns are as wide as these rows need


@dataclass
class Tally:
    """What has gone by."""

    photos: int = 0
    unreadable: int = 0
    uncertain: int = 0

    def counted(self, answers: Iterable[PhotoResult], note: OnNote = lambda _: None) -> Iterator[PhotoResult]:
        """The same answers, counted, their paths as text that can be written; `note` hears of each."""
        for answer in answers:
            note(f"{self.photos + 1} photos")
            self.photos += 1
            self.unreadable += answer.code is not None
            self.uncertain += answer.uncertain
            yield replace(answer, path=_spelled(answer.path))

    def __str__(self) -> str:
        unread = f", {self.unreadable} could not be read" if self.unreadable else ""
        return f"{self.photos} photos: {self.uncertain} uncertain{unread}"


def write(answers: Iterable[PhotoResult], form: str, top_k: int, out: Path | None) -> None:
    """The answers to a file or to stdout, in one of the forms table, jsonl, csv."""
    with _opened(out) as file:
        if form == "jsonl":
            file.writelines(json.dumps(plain(answer), ensure_ascii=False) + "\n" for answer in answers)
        elif form == "csv":
            _write_csv(answers, top_k, file)
        else:
            console = present.answer if out is None else Console(file=file, width=160, highlight=False, markup=False)
            _print_tables(answers, console)


def document(answers: Iterable[PhotoResult], out: Path | None) -> None:
    """One JSON document of all answers."""
    with _opened(out) as file:
        json.dump({"predictions": [plain(answer) for answer in answers]}, file, indent=2, ensure_ascii=False)
        file.write("\n")


def plain(answer: PhotoResult) -> dict[str, object]:
    """A prediction as JSON has it: what could not be read has a code and a reason, the others have classes."""
    if answer.code is not None:
        return {"path": answer.path, "code": answer.code, "reason": answer.reason}
    return {"path": answer.path, "uncertain": answer.uncertain, "top": [asdict(step) for step in answer.predictions]}


def _write_csv(answers: Iterable[PhotoResult], top_k: int, file: TextIO) -> None:
    names = ["", *(str(rank) for rank in range(2, top_k + 1))]
    writer = csv.writer(file, lineterminator="\n")
    steps = [f"{column}{rank}" for rank in names for column in ("label", "probability")]
    writer.writerow(["path", *steps, "uncertain", "code", "reason"])
    for answer in answers:
        cells = [cell for step in answer.predictions for cell in (step.label, f"{step.probability:.6f}")]
        padded = cells + [""] * (2 * top_k - len(cells))
        doubt = "" if answer.code else str(answer.uncertain).lower()
        writer.writerow([answer.path, *padded, doubt, answer.code or "", answer.reason or ""])


def _print_tables(answers: Iterable[PhotoResult], console: Console) -> None:
    coming = iter(answers)
    while rows := list(islice(coming, ROWS_AT_ONCE)):
        if read := [row for row in rows if row.code is None]:
            console.print(_table(read))
        for row in rows:
            if row.code is not None:
                console.print(Text(f"{row.path}: {row.reason}", style="red"), soft_wrap=True)


def _table(rows: list[PhotoResult]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("photo", overflow="fold")
    for rank in range(1, len(rows[0].predictions) + 1):
        table.add_column({1: "1st", 2: "2nd", 3: "3rd"}.get(rank, f"{rank}th"), overflow="fold")
    for row in rows:
        first, *others = (_cell(step) for step in row.predictions)
        first.stylize("yellow" if row.uncertain else "green")  # yellow: a person should look
        table.add_row(Text(row.path), first, *others)
    return table


def _cell(step: Prediction) -> Text:
    return Text(f"{step.label} {step.probability:.1%}")


@contextmanager
def _opened(out: Path | None) -> Iterator[TextIO]:
    if out is None:
        yield sys.stdout
        return
    from training.files import replacing

    out.parent.mkdir(parents=True, exist_ok=True)
    with replacing(out) as draft, draft.open("w", newline="", encoding="utf-8") as file:
        yield file


def _spelled(path: str) -> str:
    from training.data.audited import spelled

    return spelled(path)
