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
    line = accuracy_line(find(monday, RowFilter(batch="monday")))
    assert line == "top-1 2/3 = 66.7%, top-3 3/3 = 100.0%"


def test_accuracy_of_a_flat_batch_is_not_claimed(monday: Connection) -> None:
    assert accuracy_line(find(monday, RowFilter(batch="tuesday"))) is None


def test_the_table_shows_the_podium_the_truth_and_the_reason(monday: Connection) -> None:
    screen = Console(file=io.StringIO(), width=150)
    screen.print(results_table(find(monday, RowFilter(batch="monday")), truth=True))
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
