"""Reading rows, and what a person sees of them."""

from __future__ import annotations

import csv
import io
import json

import pytest
from rich.console import Console

from podium.batches.results import Wanted, find
from podium.connection import Connection
from podium.shown import results as present
from tests.podium.conftest import INPUT, put_row


@pytest.fixture
def monday(connection: Connection) -> Connection:
    put_row(connection, "incoming/monday/baseball/1.jpg", probability=0.95)
    put_row(connection, "incoming/monday/baseball/2.jpg", probability=0.55, uncertain="best probability 0.55")
    put_row(connection, "incoming/monday/golf ball/3.jpg", label="baseball", probability=0.7)
    put_row(connection, "incoming/monday/4.jpg", label=None)
    put_row(connection, "incoming/tuesday/5.jpg", label="rugby ball", probability=0.99)
    return connection


def keys(connection: Connection, **wanted: object) -> list[str]:
    rows = find(connection, Wanted.model_validate(wanted))
    return [row.image.removeprefix(f"s3://{INPUT}/incoming/") for row in rows]


def test_a_batch_is_read_whole(monday: Connection) -> None:
    assert len(keys(monday, batch="monday")) == 4


def test_a_label_is_read_most_confident_first(monday: Connection) -> None:
    assert keys(monday, label="baseball") == [
        "monday/baseball/1.jpg",
        "monday/golf ball/3.jpg",
        "monday/baseball/2.jpg",
    ]


def test_a_label_can_be_asked_for_above_a_probability(monday: Connection) -> None:
    assert keys(monday, label="baseball", min_probability=0.7) == ["monday/baseball/1.jpg", "monday/golf ball/3.jpg"]


def test_an_image_is_found_by_its_uri_and_by_its_key(monday: Connection) -> None:
    assert keys(monday, image="incoming/tuesday/5.jpg") == ["tuesday/5.jpg"]
    assert keys(monday, image=f"s3://{INPUT}/incoming/tuesday/5.jpg") == ["tuesday/5.jpg"]


def test_rejected_and_uncertain_images_are_asked_for_by_name(monday: Connection) -> None:
    assert keys(monday, status="rejected") == ["monday/4.jpg"]
    assert keys(monday, uncertain=True) == ["monday/baseball/2.jpg"]
    assert keys(monday, batch="monday", status="classified", min_probability=0.9) == ["monday/baseball/1.jpg"]


def test_without_a_question_the_limit_holds(monday: Connection) -> None:
    assert len(keys(monday, limit=2)) == 2


def test_accuracy_counts_only_images_whose_folder_is_their_label(monday: Connection) -> None:
    line = present.accuracy_line(find(monday, Wanted(batch="monday")))
    assert line == "top-1 2/3 = 66.7%, top-3 3/3 = 100.0%"


def test_accuracy_of_a_flat_batch_is_not_claimed(monday: Connection) -> None:
    assert present.accuracy_line(find(monday, Wanted(batch="tuesday"))) is None


def test_the_table_shows_the_podium_the_truth_and_the_reason(monday: Connection) -> None:
    screen = Console(file=io.StringIO(), width=150)
    screen.print(present.results_table(find(monday, Wanted(batch="monday")), truth=True))
    text = screen.file.getvalue()  # type: ignore[attr-defined]
    assert "baseball 95.0%" in text
    assert "baseball 95.0% ✓" in text
    assert "baseball 70.0% ✗" in text
    assert "The file is empty." in text


def test_csv_has_a_line_for_every_row(monday: Connection, capsys: pytest.CaptureFixture[str]) -> None:
    present.print_csv(find(monday, Wanted(batch="monday")))
    lines = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert len(lines) == 4
    rejected = next(line for line in lines if line["status"] == "rejected")
    assert rejected["rejected_code"] == "empty"
    assert {line["label3"] for line in lines} == {"tennis ball", ""}


def test_json_is_one_document_of_result_records(monday: Connection, capsys: pytest.CaptureFixture[str]) -> None:
    present.print_json(find(monday, Wanted(batch="tuesday")))
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["label"], row["probability"], row["batch"]) == ("rugby ball", 0.99, "tuesday")
