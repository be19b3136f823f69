"""Whatever a stranger calls a photo or a class, no command prints or writes anything that steers, hides, or is a formula."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from podium.batches.results import Found, RowFilter, find
from podium.care.redrive import ReasonCount
from podium.connection import Connection
from podium.errors import ConsoleError
from podium.shown.care import reasons_table
from podium.shown.console import answer, notes, print_line, print_note
from podium.shown.progress import counting, waiting
from podium.shown.results import show_rows
from tests.inference.test_harmless import is_harmless
from tests.podium.commands.console import podium
from tests.podium.conftest import put_row
from tests.training.conftest import write_photos
from tests.training.evaluation.runs import write_run

EVIL = "=cmd()\x1b[2J\x9b31m\u202egpj\u2028\nnext: rm -r"
EVIL_CLASS = "@jade\x1b]0;owned\x07\u202e"
FORMULAS = tuple("=+@\t\r")


def check(text: str) -> None:
    """No character steers, and no name made a line of its own."""
    assert is_harmless(text.replace("\n", "").replace("\r", "") if "\r\n" in text else text.replace("\n", ""))
    assert not any(line.lstrip().startswith("next: rm") for line in text.splitlines())


def check_csv(text: str) -> None:
    """Nor does a spreadsheet run a cell."""
    for row in csv.reader(io.StringIO(text)):
        assert not any(cell.startswith(FORMULAS) for cell in row)


@pytest.fixture
def found(connection: Connection) -> Found:
    put_row(connection, f"incoming/evil/{EVIL_CLASS}/{EVIL}.jpg", label=EVIL_CLASS, uncertain=EVIL)
    put_row(connection, f"incoming/evil/{EVIL}", label=None)
    return find(connection, RowFilter(batch="evil"))


@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_results(found: Found, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    show_rows(found, form, truth=True)  # type: ignore[arg-type]
    text = capsys.readouterr().out
    check(text)
    if form == "csv":
        check_csv(text)
    if form == "table":
        assert "␛[2J" in text


def test_reasons_of_dead_letters(capsys: pytest.CaptureFixture[str]) -> None:
    count = ReasonCount(code="given_up", reason=EVIL, batches=(EVIL,), wanted=1, left=0)
    answer.print(reasons_table([count], dry_run=False))
    text = capsys.readouterr().out
    check(text)
    assert text.count("␛[2J") == 2


def test_sentences_bars_and_errors(capsys: pytest.CaptureFixture[str]) -> None:
    print_note(f"{EVIL} is there")
    print_line(EVIL)
    notes.print("ours\nin two lines", EVIL.replace("\n", ""))
    with counting() as count:
        count(EVIL, 1, 2, EVIL)
    with waiting(EVIL.replace("\n", "")) as note:
        note(EVIL)
    printed = capsys.readouterr()
    check(printed.out)
    check(printed.err)
    assert "ours\nin two lines" in printed.err
    for line in ConsoleError(EVIL, below=[EVIL]).lines():
        assert is_harmless(line)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = write_photos(tmp_path / "photos", per_class=4)
    (folder / "jade").rename(folder / EVIL_CLASS)
    first = folder / EVIL_CLASS / "000.png"
    first.with_name("same\x1b[8m.png").write_bytes(first.read_bytes())
    (folder / "amber" / f"{EVIL}.jpg").write_bytes(b"no picture")
    return folder


@pytest.mark.torch
def test_every_command_on_photos(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "audit"
    printed = [podium("audit", data, "--out", out)]
    printed.append(podium("train", data, "pretrained=none", "--dry-run"))
    (data / EVIL_CLASS / "same\x1b[8m.png").unlink()
    classes = (EVIL_CLASS, "amber", "slate")
    runs = [write_run(tmp_path / f"{name}\x1b[1m", data, seed=seed, classes=classes) for seed, name in enumerate("ab")]
    printed += [podium("evaluate", run) for run in runs]
    printed.append(podium("compare", *runs, "--out", tmp_path / "compared.html"))
    for form in ("table", "jsonl", "csv"):
        printed.append(podium("predict", "--run", runs[0], data, "--format", form))
        podium("predict", "--run", runs[0], data, "--format", form, "--out", tmp_path / f"answers.{form}")
    for result in printed:
        assert result.exit_code == 0, result.output
        check(result.stdout)
        check(result.stderr)
    check_csv(printed[-1].stdout)
    pages = [page for kind in ("html", "md", "txt") for page in tmp_path.rglob(f"*.{kind}")]
    assert len(pages) >= 6
    for page in pages:
        assert is_harmless(page.read_text().replace("\n", "").replace("\t", ""))
    tables = list(tmp_path.rglob("*.csv"))
    assert len(tables) >= 4
    for table in tables:
        text = table.read_text(errors="surrogateescape")
        check_csv(text)
        if table.name not in ("split.csv", "photos.csv"):  # by which photos are opened again
            assert is_harmless(text.replace("\n", "")), table
    for record in tmp_path.rglob("*.json"):
        assert is_harmless(record.read_text().replace("\n", "")), record
