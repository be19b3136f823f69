"""`podium evaluate | compare | predict`, for a person and for a script."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from podium.errors import EXIT_FAILED
from tests.podium.commands.console import podium, refused
from tests.training.conftest import write_photos
from tests.training.evaluation.runs import write_run

CLAIM: dict[str, object] = {"metric": "top1", "value": 1.0, "photos": "its test photos", "source": "a report"}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_photos(tmp_path / "photos", per_class=4)


@pytest.fixture
def run(data: Path, tmp_path: Path) -> Path:
    return write_run(tmp_path / "run", data, claim=CLAIM)


@pytest.mark.torch
def test_an_evaluation_begins_with_its_headline_and_ends_with_the_next_command(run: Path) -> None:
    result = podium("evaluate", run, "--no-report")
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert lines[0] == f"{run} (test_resnet) on validation: 12 photos"
    record = json.loads((run / "evaluation" / "validation" / "evaluation.json").read_text())
    top1 = record["top1"]
    assert f"top-1 {top1['value']:.1%} {top1['low']:.1%} to {top1['high']:.1%}" in lines
    assert "claimed: top-1 100.0% on its test photos (a report)" in lines
    measured = "measured on 12 validation photos of this run, which may be others: "
    interval = f"{top1['low']:.1%} to {top1['high']:.1%}"
    assert f"{measured}{top1['value']:.1%} (95 % {interval}), not met" in lines
    assert "worst classes of 3, by F1" in lines
    assert "class mistaken for photos of the class" in lines
    assert next(line for line in lines if line.startswith("calibrated")).split()[1] == "0.500"
    assert "images/s with decoding" in lines[-1]
    assert result.stderr.splitlines()[-1] == f"next: podium package {run}"


@pytest.mark.torch
def test_an_evaluation_as_json_is_its_record(run: Path, data: Path) -> None:
    document = json.loads(podium("evaluate", run, "--data", data, "--no-report", "--json").stdout)
    assert (document["split"], document["images"], document["files"]) == (str(data), 12, [])
    assert document["claim"] is None  # it is about the run's own split, not about anyone's photos


@pytest.mark.torch
def test_what_cannot_be_evaluated_is_a_wrong_value(run: Path, data: Path, tmp_path: Path) -> None:
    assert "has no test split" in refused("evaluate", run, "--split", "test")
    assert "exclude each other" in refused("evaluate", run, "--split", "test", "--data", data)
    assert "no finished run" in refused("evaluate", tmp_path, exit_code=EXIT_FAILED)
    assert "Two or more runs" in refused("compare", run)


@pytest.mark.torch
def test_every_command_that_takes_a_run_says_how_to_go_on_with_one_that_was_stopped(run: Path, tmp_path: Path) -> None:
    stopped = tmp_path / "stopped"
    stopped.mkdir()
    (stopped / "resolved.yaml").touch()
    photo = next((tmp_path / "photos").rglob("*.png"))
    for words in (("evaluate",), ("package",), ("compare", run), ("predict", photo, "--run")):
        sentence = refused(*words, stopped, exit_code=EXIT_FAILED)
        assert sentence.endswith(
            f"{stopped} is no finished run: its training was stopped. Go on: podium train --resume {stopped}"
        ), words


@pytest.mark.torch
def test_a_comparison_says_in_words_which_run_is_better(run: Path, data: Path, tmp_path: Path) -> None:
    other = write_run(tmp_path / "other", data, seed=1)
    result = podium("compare", run, other, "--no-report")
    assert result.stdout.splitlines()[0] == "12 validation photos that both runs classified"
    document = json.loads(podium("compare", run, other, "--no-report", "--json").stdout)
    assert document["pairs"][0]["sentence"] in result.stdout
    assert [one["name"] for one in document["runs"]] == ["run", "other"]


@pytest.mark.torch
def test_a_table_of_predictions_names_what_could_not_be_read(run: Path, data: Path) -> None:
    (data / "jade" / "notes.txt").write_text("words")
    result = podium("predict", data / "jade", "--run", run)
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["photo", "1st", "2nd", "3rd"]
    assert lines[1].startswith(str(data / "jade" / "000.png"))
    assert lines[-1].startswith(f"{data / 'jade' / 'notes.txt'}: This is ")
    assert result.stderr.splitlines()[-1].endswith("1 could not be read")


@pytest.mark.torch
def test_predictions_as_json_lines_as_csv_and_as_one_document_agree(run: Path, data: Path, tmp_path: Path) -> None:
    (data / "notes.txt").write_text("words")
    words = ("predict", data, "--run", run, "--top-k", "2")
    lines = [json.loads(line) for line in podium(*words, "--format", "jsonl").stdout.splitlines()]
    assert json.loads(podium(*words, "--json").stdout)["predictions"] == lines
    table = list(csv.DictReader(io.StringIO(podium(*words, "--format", "csv").stdout)))
    assert [row["path"] for row in table] == [line["path"] for line in lines]
    for row, line in zip(table, lines, strict=True):
        if "top" in line:
            assert [row["label"], row["label2"]] == [step["label"] for step in line["top"]]
            assert float(row["probability2"]) == pytest.approx(line["top"][1]["probability"], abs=1e-6)
            assert row["uncertain"] == str(line["uncertain"]).lower()
        else:
            assert (row["code"], row["label"]) == (line["code"], "")
    written = podium(*words, "--format", "jsonl", "--out", tmp_path / "out" / "answers.jsonl")
    assert written.stdout == ""
    assert [json.loads(line) for line in (tmp_path / "out" / "answers.jsonl").read_text().splitlines()] == lines


@pytest.mark.torch
def test_names_can_come_from_another_program(run: Path, data: Path) -> None:
    names = "".join(f"{path}\n" for path in sorted(data.rglob("*.png")))
    result = podium("predict", "-", "--run", run, "--format", "jsonl", stdin=names)
    assert [json.loads(line)["path"] for line in result.stdout.splitlines()] == names.splitlines()


@pytest.mark.torch
def test_a_prediction_without_a_model_or_without_photos_is_refused(run: Path, data: Path, tmp_path: Path) -> None:
    assert "either --run RUN or --archive" in refused("predict", data)
    assert "either --run RUN or --archive" in refused("predict", data, "--run", run, "--archive", run)
    assert "does not exist" in refused("predict", tmp_path / "nowhere", "--run", run)
    (tmp_path / "notes.txt").write_text("words")
    assert "none of the photos" in refused("predict", tmp_path / "notes.txt", "--run", run, exit_code=EXIT_FAILED)
    (tmp_path / "empty").mkdir()
    assert "there is no photo in" in refused("predict", tmp_path / "empty", "--run", run)


def test_options_without_effect_are_a_wrong_usage(tmp_path: Path) -> None:
    words = ("predict", tmp_path, "--run", tmp_path, "--json", "--format", "csv")
    assert "--json and --format csv exclude each other" in refused(*words)
    assert "leave one out" in refused("compare", tmp_path, tmp_path, "--no-report", "--out", tmp_path / "page.html")


@pytest.mark.torch
def test_a_run_that_is_a_file_is_a_wrong_value(run: Path) -> None:
    assert "is a file. Give the folder of a finished run" in refused("evaluate", run / "model.json")


@pytest.mark.torch
def test_a_comparison_on_other_photos_has_its_page(run: Path, tmp_path: Path) -> None:
    other = write_run(tmp_path / "other", tmp_path / "photos", seed=1)
    given = write_photos(tmp_path / "given", per_class=2, first=90)
    document = json.loads(podium("compare", run, other, "--data", given, "--json").stdout)
    assert podium("compare", run, other, "--data", given, "--no-report").stdout.startswith(f"6 photos of {given} that")
    (page,) = document["files"]
    assert Path(page).is_relative_to(run / "evaluation")
    assert "6 photos" in Path(page).read_text(encoding="utf-8")


@pytest.mark.torch
def test_an_evaluation_without_pages_leaves_no_older_ones(run: Path) -> None:
    pages = json.loads(podium("evaluate", run, "--json").stdout)["files"]
    assert [Path(page).name for page in pages] == ["report.html", "MODEL_CARD.md"]
    podium("evaluate", run, "--no-report")
    assert not any(Path(page).exists() for page in pages)


@pytest.mark.torch
def test_a_claim_within_the_interval_stays_open(data: Path, tmp_path: Path) -> None:
    run = write_run(tmp_path / "claimed", data, claim=CLAIM | {"value": 0.4})
    printed = " ".join(podium("evaluate", run, "--no-report").stdout.split())
    assert "(95 % 13.8% to 60.9%), these photos cannot tell" in printed


@pytest.mark.torch
def test_names_of_classes_are_shown_as_they_are(data: Path, tmp_path: Path) -> None:
    classes = ("car [front]", "car [rear]", ":car: [red]")
    for old, new in zip(("amber", "jade", "slate"), classes, strict=True):
        (data / old).rename(data / new)
    run = write_run(tmp_path / "[run]", data, classes=classes)
    other = write_run(tmp_path / "[bold]", data, classes=classes, seed=1)
    printed = podium("evaluate", run, "--no-report").stdout
    assert all(name in printed for name in classes)
    assert "[run]" in podium("compare", run, other, "--no-report").stdout


@pytest.mark.torch
def test_a_photo_whose_name_is_no_text_has_its_row(run: Path, data: Path, tmp_path: Path) -> None:
    (data / "jade" / "000.png").rename(data / "jade" / "b\udcff.png")
    (data / "jade" / "001.png").rename(data / "jade" / r"b\xff.png")
    spelled, another = str(data / "jade" / r"b\xff.png"), str(data / "jade" / r"b\\xff.png")
    for form in ("jsonl", "csv", "table"):
        out = tmp_path / f"answers.{form}"
        podium("predict", data / "jade", "--run", run, "--format", form, "--out", out)
        lines = out.read_text(encoding="utf-8").splitlines()
        for path in (spelled, another):
            assert sum((json.dumps(path) if form == "jsonl" else path) in line for line in lines) == 1
    document = json.loads(podium("predict", data / "jade", "--run", run, "--json").stdout)
    assert {spelled, another} < {one["path"] for one in document["predictions"]}
