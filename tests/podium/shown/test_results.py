"""Results as a table, as CSV and as JSON, and their accuracy."""

from __future__ import annotations

import csv
import io
import json

import pytest
from rich.console import Console

from podium.batches.results import RowFilter, find
from podium.connection import Connection
from podium.shown.results import accuracy_line, results_table, show_rows


def test_accuracy_counts_only_images_whose_folder_is_their_label(monday: Connection) -> None:
    line = accuracy_line(find(monday, RowFilter(batch="monday")).rows)
    assert line == "top-1 2/3 = 66.7%, top-3 3/3 = 100.0%"


def test_accuracy_of_a_flat_batch_is_not_claimed(monday: Connection) -> None:
    assert accuracy_line(find(monday, RowFilter(batch="tuesday")).rows) is None


def test_the_table_shows_the_podium_the_truth_and_the_reason(monday: Connection) -> None:
    screen = Console(file=io.StringIO(), width=150)
    screen.print(results_table(find(monday, RowFilter(batch="monday")).rows, truth=True))
    text = screen.file.getvalue()  # type: ignore[attr-defined]
    assert "baseball 95.0%" in text
    assert "baseball 95.0% ✓" in text
    assert "baseball 70.0% ✗" in text
    assert "The file is empty." in text


def test_csv_has_a_line_for_every_row(monday: Connection, capsys: pytest.CaptureFixture[str]) -> None:
    show_rows(find(monday, RowFilter(batch="monday")), "csv")
    lines = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert len(lines) == 4
    rejected = next(line for line in lines if line["status"] == "rejected")
    assert rejected["rejected_code"] == "empty"
    assert {line["label3"] for line in lines} == {"tennis ball", ""}


def test_json_is_one_document_of_result_records(monday: Connection, capsys: pytest.CaptureFixture[str]) -> None:
    show_rows(find(monday, RowFilter(batch="tuesday")), "json")
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["label"], row["probability"], row["batch"]) == ("rugby ball", 0.99, "tuesday")


def test_a_program_gets_every_row_and_a_table_says_how_many_it_leaves_out(
    monday: Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    show_rows(find(monday, RowFilter(limit=2)))
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("2 of 5 rows") for line in lines)
    show_rows(find(monday, RowFilter(limit=2)), "csv")
    printed = capsys.readouterr()
    assert len(list(csv.DictReader(io.StringIO(printed.out)))) == 2
    assert printed.err.startswith("2 of 5 rows")
    show_rows(find(monday, RowFilter()), "csv")
    assert capsys.readouterr().err == ""


def test_uncertain_images_are_marked_and_named(monday: Connection, capsys: pytest.CaptureFixture[str]) -> None:
    show_rows(find(monday, RowFilter(batch="monday")), truth=True)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["image", "truth", "1st", "?", "2nd", "3rd"]
    (marked,) = (line for line in lines if line.startswith("baseball/2.jpg "))
    assert " ? " in marked
    assert any(line.startswith("? 1 of 4 uncertain: baseball/2.jpg.") for line in lines)
    assert lines[-1] == "top-1 2/3 = 66.7%, top-3 3/3 = 100.0%"


def test_the_truth_is_in_every_format(monday: Connection, capsys: pytest.CaptureFixture[str]) -> None:
    found = find(monday, RowFilter(batch="monday"))
    show_rows(found, "csv", truth=True)
    printed = capsys.readouterr()
    rows = list(csv.DictReader(io.StringIO(printed.out)))
    assert [(row["truth"], row["correct"]) for row in rows] == [
        ("", ""), ("baseball", "True"), ("baseball", "True"), ("golf ball", "False"),
    ]  # fmt: skip
    assert "top-1 2/3" in printed.err
    show_rows(found, "json", truth=True)
    documents = json.loads(capsys.readouterr().out)
    assert [(one["truth"], one["correct"]) for one in documents] == [
        (None, None), ("baseball", True), ("baseball", True), ("golf ball", False),
    ]  # fmt: skip
