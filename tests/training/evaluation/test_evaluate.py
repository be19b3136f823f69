"""A finished run is evaluated on the photos of its split, and the evaluation lies in the run folder."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.training.conftest import write_photos
from tests.training.evaluation.runs import write_run
from training.errors import TrainingError, WrongInput

if TYPE_CHECKING:
    from training.run import Run

pytestmark = pytest.mark.torch


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_photos(tmp_path / "photos", per_class=5)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_evaluation_of_the_validation_split_is_what_the_training_measured(finished: Run, a_copy: Path) -> None:
    from training.evaluation.evaluate import evaluate

    found = evaluate(a_copy)
    measured = finished.model.metrics
    assert found.split == "validation"
    assert found.images == finished.model.data.validation_images
    assert (found.top1.value, found.top3.value) == pytest.approx((measured.top1, measured.top3))
    assert found.loss.value == pytest.approx(measured.loss, abs=1e-5)
    assert found.calibrated.temperature == finished.model.temperature
    assert found.command == f"podium evaluate {a_copy} --split validation"
    assert found.speed.images_per_s > 0
    assert found.speed.forward_ms_p50 <= found.speed.forward_ms_p99


def test_the_folder_holds_the_record_the_scores_and_a_line_for_every_photo(data: Path, tmp_path: Path) -> None:
    from training.evaluation.evaluate import evaluate
    from training.evaluation.records import Evaluation
    from training.evaluation.scores import load

    run = write_run(tmp_path / "run", data)
    found = evaluate(run)
    folder = run / "evaluation" / "validation"
    names = {"evaluation.json", "scores.safetensors", "photos.csv", "predictions.csv"}
    assert {path.name for path in folder.iterdir()} == names
    assert Evaluation.model_validate_json((folder / "evaluation.json").read_bytes()) == found
    scores = load(folder)
    assert scores.logits.shape == (15, 3)
    assert scores.paths == tuple(row["path"] for row in rows(run / "split.csv"))
    assert scores.digests == tuple(row["sha256"] for row in rows(run / "split.csv"))
    assert (scores.speed, scores.split) == (found.speed, "validation")
    lines = rows(folder / "predictions.csv")
    probabilities = (scores.logits.double() / 0.5).softmax(dim=1)
    assert [line["predicted"] for line in lines] == [found.classes[n].label for n in scores.logits.argmax(dim=1)]
    assert [float(line["probability"]) for line in lines] == pytest.approx(probabilities.amax(dim=1).tolist(), abs=1e-6)
    assert sum(int(line["correct"]) for line in lines) / 15 == found.top1.value
    assert {line["label"] for line in lines} == {"amber", "jade", "slate"}
    assert sum(sum(row) for row in found.confusion) == 15


def test_auto_is_the_test_split_if_there_is_one(data: Path, tmp_path: Path) -> None:
    from training.evaluation.evaluate import evaluate

    run = write_run(tmp_path / "run", data, test_from=3)
    assert (evaluate(run).split, evaluate(run).images) == ("test", 6)
    assert (evaluate(run, split="validation").split, evaluate(run, split="validation").images) == ("validation", 9)
    with pytest.raises(WrongInput, match="has no train split: it has test, validation"):
        evaluate(run, split="train")


def test_a_test_split_that_is_read_again_says_so(data: Path, tmp_path: Path) -> None:
    from training.evaluation.evaluate import evaluate

    run = write_run(tmp_path / "run", data, test_from=3)
    first, second, third = (evaluate(run, split="test") for _ in range(3))
    assert first.earlier == ()
    assert not any("already" in note for note in first.notes)
    assert second.earlier == (first.evaluated_at,)
    assert third.earlier == (first.evaluated_at, second.evaluated_at)
    assert f"test was evaluated on {first.evaluated_at} already" in third.notes[0]
    facts = json.loads((run / "model.json").read_text())
    shutil.copy(write_run(tmp_path / "other", data, seed=1) / "model.safetensors", run)
    other = json.loads((tmp_path / "other" / "model.json").read_text())
    (run / "model.json").write_text(json.dumps(facts | {"weights": other["weights"]}))
    assert evaluate(run, split="test").earlier == ()  # other weights have not seen it


def test_photos_that_are_not_those_of_the_split_are_refused(data: Path, tmp_path: Path) -> None:
    from training.evaluation.evaluate import evaluate

    run = write_run(tmp_path / "run", data)
    shutil.copy(data / "amber" / "001.png", data / "amber" / "000.png")
    with pytest.raises(WrongInput, match=r"1 photo has other bytes.*amber/000\.png"):
        evaluate(run)
    (data / "jade" / "004.png").unlink()
    with pytest.raises(WrongInput, match=r"1 photo is gone.*jade/004\.png"):
        evaluate(run)
    assert not (run / "evaluation").exists()


def test_a_file_that_is_no_picture_is_listed_and_not_evaluated(data: Path, tmp_path: Path) -> None:
    from training.evaluation.evaluate import evaluate
    from training.evaluation.listed import evaluation_folder
    from training.evaluation.scores import load

    run = write_run(tmp_path / "run", data)
    (data / "jade" / "notes.txt").write_text("not a photo")
    (data / "amber" / "empty.jpg").write_bytes(b"")
    found = evaluate(run, data=data)
    assert (found.images, found.set_aside) == (15, 2)
    folder = evaluation_folder(run, found.split)
    assert [row["path"] for row in rows(folder / "unreadable.csv")] == ["amber/empty.jpg", "jade/notes.txt"]
    assert [one.path for one in load(folder).set_aside] == ["amber/empty.jpg", "jade/notes.txt"]


def test_photos_of_a_person_may_lack_classes_but_not_bring_new_ones(data: Path, tmp_path: Path) -> None:
    from training.evaluation.evaluate import evaluate

    run = write_run(tmp_path / "run", data)
    shutil.rmtree(data / "slate")
    found = evaluate(run, data=data)
    assert found.images == 10
    assert found.classes[2].label == "slate"
    assert (found.classes[2].images, found.classes[2].f1, found.classes[2].roc_auc) == (0, None, None)
    assert "1 of 3 classes have no photo here" in found.notes[-1]
    assert found.command == f"podium evaluate {run} --data {data}"
    (data / "jade").rename(data / "olive")
    with pytest.raises(WrongInput, match="class 'olive', which the model does not know"):
        evaluate(run, data=data)


def test_a_manifest_names_photos_and_their_classes(data: Path, tmp_path: Path) -> None:
    from training.evaluation.evaluate import evaluate

    run = write_run(tmp_path / "run", data)
    lines = ["path,label", *(f"jade/{number:03d}.png,jade" for number in range(4)), "gone.png,amber"]
    (data / "list.csv").write_text("\n".join(lines) + "\n")
    found = evaluate(run, data=data / "list.csv")
    assert (found.images, found.set_aside) == (4, 1)
    assert found.classes[1].roc_auc is None  # nothing but its photos
    with pytest.raises(WrongInput, match="give a folder"):
        evaluate(run, data=tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(WrongInput, match="holds no photos"):
        evaluate(run, data=tmp_path / "empty")


@pytest.mark.parametrize(("metric", "value", "met"), [("top1", 0.0, True), ("top1", 1.0, False), ("loss", 99.0, True)])
def test_a_claim_stands_beside_what_was_measured(
    data: Path, tmp_path: Path, metric: str, value: float, met: bool
) -> None:
    from training.evaluation.evaluate import evaluate

    claim = {"metric": metric, "value": value, "photos": "test photos", "source": "a report"}
    found = evaluate(write_run(tmp_path / "run", data, claim=claim)).claim
    assert found is not None
    assert found.met is met
    assert found.claim.value == value


def test_a_run_with_other_weights_than_it_names_is_refused(data: Path, tmp_path: Path) -> None:
    from training.evaluation.evaluate import evaluate

    run = write_run(tmp_path / "run", data)
    other = write_run(tmp_path / "other", data, seed=1)
    shutil.copy(other / "model.safetensors", run)
    with pytest.raises(TrainingError, match=r"has SHA-256 \w{12}\.\.\., and model\.json names"):
        evaluate(run)
    (run / "model.safetensors").unlink()
    with pytest.raises(TrainingError, match="is missing"):
        evaluate(run)
    with pytest.raises(TrainingError, match="no finished run"):
        evaluate(tmp_path)


def test_predictions_that_are_no_numbers_are_no_evaluation(data: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    from inference.archive.digest import file_sha256
    from training.evaluation.evaluate import evaluate

    run = write_run(tmp_path / "run", data)
    weights = load_file(run / "model.safetensors")
    weights["fc.bias"][1] = float("nan")
    save_file(weights, run / "model.safetensors")
    facts = json.loads((run / "model.json").read_text())
    facts["weights"]["sha256"] = file_sha256(run / "model.safetensors")
    (run / "model.json").write_text(json.dumps(facts))
    with pytest.raises(TrainingError, match="is no number"):
        evaluate(run)


def test_photos_are_read_ahead_in_order_and_no_further_than_allowed() -> None:
    from training.evaluation.forward import batched, read_ahead

    numbers_read: list[int] = []

    def numbers() -> range:
        return range(100)

    def read(number: int) -> int:
        numbers_read.append(number)
        return number * number

    coming = read_ahead(numbers(), read, threads=3, ahead=10)
    assert next(coming) == 0
    assert max(numbers_read) <= 11
    assert list(coming) == [number * number for number in range(1, 100)]
    assert [len(batch) for batch in batched(range(7), 3)] == [3, 3, 1]


def test_progress_ends_with_every_photo(data: Path, tmp_path: Path) -> None:
    from training.evaluation.evaluate import evaluate

    progress: list[tuple[int, int]] = []
    evaluate(write_run(tmp_path / "run", data), on_progress=lambda done, total: progress.append((done, total)))
    assert progress[-1] == (15, 15)
