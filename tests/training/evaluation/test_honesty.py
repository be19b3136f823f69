"""An evaluation names its photos, lies in a folder of its own, and survives a crash."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.training.conftest import write_photos
from tests.training.evaluation.runs import write_run
from training.errors import TrainingError, WrongInput

pytestmark = pytest.mark.torch


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_photos(tmp_path / "photos", per_class=5)


def test_photos_in_a_folder_called_test_are_not_the_test_split(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training.evaluation.evaluate import evaluate, read_evaluation

    run = write_run(tmp_path / "run", data, test_from=3)
    first = evaluate(run, split="test")
    given = write_photos(tmp_path / "elsewhere" / "test", per_class=2, first=70)
    monkeypatch.chdir(given.parent)
    found = evaluate(run, data="test")
    assert found.split == str(given)
    assert read_evaluation(run, "test") == first
    assert read_evaluation(run, found.split) == found


def learn(run: Path, *photos: Path) -> None:
    """Let the run's split.csv list these as training photos."""
    from inference.archive.digest import file_sha256

    with (run / "split.csv").open("a", encoding="utf-8") as file:
        file.writelines(f"train,amber,{photo.name},{file_sha256(photo)}\n" for photo in photos)


def test_photos_that_the_model_learnt_from_are_counted_and_noted(data: Path, tmp_path: Path) -> None:
    from training.evaluation.evaluate import evaluate

    run = write_run(
        tmp_path / "run", data, claim={"metric": "top1", "value": 0, "photos": "its own", "source": "a talk"}
    )
    given = write_photos(tmp_path / "given", per_class=2, first=70)
    assert evaluate(run, data=given).learnt == 0
    learn(run, given / "jade" / "070.png", given / "slate" / "071.png")
    found = evaluate(run, data=given)
    assert found.learnt == 2
    assert "the model has learnt 2 of these 6 photos: the figures are too good." in found.notes
    assert found.claim is None  # and nobody claims anything of these
    assert evaluate(run).claim is not None


def test_hidden_folders_hold_no_photos(data: Path, tmp_path: Path) -> None:
    from training.evaluation.evaluate import evaluate

    run = write_run(tmp_path / "run", data)
    (data / "amber" / ".thumbnails").mkdir()
    shutil.copy(data / "amber" / "000.png", data / "amber" / ".thumbnails")
    assert evaluate(run, data=data).images == 15


def test_a_name_that_is_no_text_is_evaluated_and_written(data: Path, tmp_path: Path) -> None:
    from training.evaluation.compare import compare
    from training.evaluation.evaluate import evaluate
    from training.evaluation.listed import evaluation_folder
    from training.evaluation.records import Evaluation
    from training.evaluation.scores import load

    (data / "amber" / "000.png").rename(data / "amber" / "b\udcff.png")
    (data / "amber" / "c\udcff.jpg").write_bytes(b"")
    run = write_run(tmp_path / "run", data)
    found = evaluate(run, data=data)
    folder = evaluation_folder(run, found.split)
    assert Evaluation.model_validate_json((folder / "evaluation.json").read_bytes()) == found
    scores = load(folder)
    assert "amber/b\udcff.png" in scores.paths
    assert all(Path(file).is_file() for file in scores.files)
    assert r"amber/b\xff.png" in (folder / "predictions.csv").read_text()
    assert [one.path for one in scores.set_aside] == ["amber/c\\xff.jpg"]
    compare([run, write_run(tmp_path / "other", data, seed=1)]).model_dump_json()


def test_a_crash_while_an_evaluation_is_written_does_not_forget_that_test_was_read(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training.evaluation import evaluate as evaluating

    def full(*_: object) -> None:
        raise OSError("no space left on device")

    run = write_run(tmp_path / "run", data, test_from=3)
    first = evaluating.evaluate(run, split="test")
    with monkeypatch.context() as patched:
        patched.setattr(evaluating, "write_predictions", full)
        with pytest.raises(OSError, match="no space"):
            evaluating.evaluate(run, split="test")
    assert evaluating.read_evaluation(run, "test") == first
    assert evaluating.evaluate(run, split="test").earlier == (first.evaluated_at,)
    assert sorted(path.name for path in (run / "evaluation").iterdir()) == ["test"]


def test_a_note_says_that_few_photos_of_a_class_measure_no_precision(data: Path, tmp_path: Path) -> None:
    from training.evaluation.evaluate import evaluate

    run = write_run(tmp_path / "run", data)
    assert any("macro precision and its interval are not to be trusted" in note for note in evaluate(run).notes)
    given = write_photos(tmp_path / "given", per_class=10)
    assert evaluate(run, data=given).notes == ()


def test_a_file_is_no_run(data: Path, tmp_path: Path) -> None:
    from training.evaluation.compare import compare
    from training.evaluation.evaluate import evaluate

    run = write_run(tmp_path / "run", data)
    with pytest.raises(WrongInput, match=r"model\.json is a file. Give the folder of a finished run, as .*/run\.$"):
        evaluate(run / "model.json")
    for split in ("auto", "validation"):
        with pytest.raises(TrainingError, match=r"model\.json"):
            compare([run / "model.json", run], split)


def test_what_was_predicted_before_a_list_breaks_off_is_not_lost() -> None:
    from training.evaluation.forward import batched, read_ahead

    def given() -> Iterator[int]:
        yield from range(5)
        raise TrainingError("the list ends here")

    got: list[list[int]] = []
    with pytest.raises(TrainingError, match="ends here"):
        got.extend(batched(read_ahead(given(), lambda number: number, threads=2), 3))
    assert got == [[0, 1, 2], [3, 4]]
