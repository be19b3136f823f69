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

from rich.console import Console
from rich.text import Text

from podium.shown.console import answer, plain_table

if TYPE_CHECKING:
    from rich.table import Table

    from podium.shown.progress import OnNote
    from training.prediction.predict import PhotoResult, Prediction

ROWS_AT_ONCE = 200  # a table's columns are as wide as these rows need


@dataclass
class Tally:
    """How many predictions went by, how many of them without an answer, and how many uncertain."""

    photos: int = 0
    unreadable: int = 0
    uncertain: int = 0

    def counted(self, predictions: Iterable[PhotoResult], note: OnNote = lambda _: None) -> Iterator[PhotoResult]:
        """The same predictions, counted, their paths as text that can be written; `note` gets the count."""
        for prediction in predictions:
            note(f"{self.photos + 1} photos")
            self.photos += 1
            self.unreadable += prediction.code is not None
            self.uncertain += prediction.uncertain
            yield replace(prediction, path=_spelled(prediction.path))

    def __str__(self) -> str:
        unread = f", {self.unreadable} could not be read" if self.unreadable else ""
        return f"{self.photos} photos: {self.uncertain} uncertain{unread}"


def write(predictions: Iterable[PhotoResult], form: str, top_k: int, out: Path | None) -> None:
    """The predictions in a file or on stdout, in one of the forms table, jsonl, csv."""
    with _opened(out) as file:
        if form == "jsonl":
            file.writelines(json.dumps(plain(one), ensure_ascii=False) + "\n" for one in predictions)
        elif form == "csv":
            _write_csv(predictions, top_k, file)
        else:
            console = answer if out is None else Console(file=file, width=160, highlight=False, markup=False)
            _print_tables(predictions, console)


def document(predictions: Iterable[PhotoResult], out: Path | None) -> None:
    """All predictions as one JSON document."""
    with _opened(out) as file:
        json.dump({"predictions": [plain(one) for one in predictions]}, file, indent=2, ensure_ascii=False)
        file.write("\n")


def plain(prediction: PhotoResult) -> dict[str, object]:
    """A prediction for JSON: an unreadable photo has a code and a reason, any other has classes."""
    if prediction.code is not None:
        return {"path": prediction.path, "code": prediction.code, "reason": prediction.reason}
    top = [asdict(step) for step in prediction.predictions]
    return {"path": prediction.path, "uncertain": prediction.uncertain, "top": top}


def _write_csv(predictions: Iterable[PhotoResult], top_k: int, file: TextIO) -> None:
    names = ["", *(str(rank) for rank in range(2, top_k + 1))]
    writer = csv.writer(file, lineterminator="\n")
    steps = [f"{column}{rank}" for rank in names for column in ("label", "probability")]
    writer.writerow(["path", *steps, "uncertain", "code", "reason"])
    for one in predictions:
        cells = [cell for step in one.predictions for cell in (step.label, f"{step.probability:.6f}")]
        padded = cells + [""] * (2 * top_k - len(cells))
        doubt = "" if one.code else str(one.uncertain).lower()
        writer.writerow([one.path, *padded, doubt, one.code or "", one.reason or ""])


def _print_tables(predictions: Iterable[PhotoResult], console: Console) -> None:
    coming = iter(predictions)
    while rows := list(islice(coming, ROWS_AT_ONCE)):
        if read := [row for row in rows if row.code is None]:
            console.print(_table(read))
        for row in rows:
            if row.code is not None:
                console.print(Text(f"{row.path}: {row.reason}", style="red"), soft_wrap=True)


def _table(rows: list[PhotoResult]) -> Table:
    ranks = range(1, len(rows[0].predictions) + 1)
    table = plain_table("photo", *({1: "1st", 2: "2nd", 3: "3rd"}.get(rank, f"{rank}th") for rank in ranks))
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
