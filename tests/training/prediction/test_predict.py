"""A photo scores the same in evaluation, in prediction, and through the transform that the archive describes."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from inference.images.reading import UnreadableImage, read_image
from tests.training.conftest import write_photos
from tests.training.evaluation.runs import write_run
from training.errors import TrainingError, WrongInput

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from training.run import Run

pytestmark = pytest.mark.torch


def test_prediction_on_the_validation_photos_is_the_evaluation(finished: Run, photos: Path) -> None:
    from training.data.listing import read_split
    from training.prediction.predict import predict_paths

    validating = read_split(finished.folder / "split.csv", str(photos), only="validation").photos
    answers = predict_paths(finished.folder, [photo.path for photo in validating])
    classes = finished.model.classes
    top1 = sum(answer[0].label == classes[p.label] for answer, p in zip(answers, validating, strict=True))
    assert top1 / len(validating) == pytest.approx(finished.model.metrics.top1)


def test_prediction_is_what_model_json_alone_describes(finished: Run, photos: Path) -> None:
    """The way that any reader of the archive goes: read_image, timm's create_transform, logits / temperature.

    But for the rounding of pixels: tests/inference/engines/test_torch_resize.py measures by how much.
    """
    import torch
    from timm.data.transforms_factory import create_transform

    from training.model.network import load_run
    from training.prediction.predict import predict_paths

    network, facts = load_run(finished.folder)
    transform = create_transform(**facts.preprocessing.model_dump(), is_training=False)
    paths = sorted(photos.rglob("*.png"))[::4]
    for path, answer in zip(paths, predict_paths(finished.folder, paths), strict=True):
        with torch.inference_mode():
            pixels = transform(read_image(path.read_bytes()))
            expected = (network(pixels[None])[0] / facts.temperature).softmax(dim=0)
        assert [step.label for step in answer] == [facts.classes[index] for index in expected.argsort(descending=True)]
        for step in answer:
            assert step.probability == pytest.approx(expected[facts.classes.index(step.label)].item(), abs=2e-3)


def test_probabilities_are_best_first_and_add_up(finished: Run, photos: Path) -> None:
    from training.prediction.predict import predict

    threshold = finished.model.uncertainty.threshold
    for found in predict(finished.folder, [photos]):
        odds = [step.probability for step in found.predictions]
        assert odds == sorted(odds, reverse=True)
        assert sum(odds) == pytest.approx(1)  # three classes, three probabilities
        assert found.uncertain == (odds[0] < threshold)


def test_no_photos_are_no_predictions_and_a_broken_one_says_so(finished: Run, tmp_path: Path) -> None:
    from training.prediction.predict import predict, predict_paths

    assert predict_paths(finished.folder, []) == []
    assert list(predict(finished.folder, [])) == []
    (tmp_path / "broken.jpg").write_bytes(b"")
    with pytest.raises(UnreadableImage, match="empty"):
        predict_paths(finished.folder, [tmp_path / "broken.jpg"])


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_photos(tmp_path / "photos", per_class=2)


@pytest.fixture
def run(data: Path, tmp_path: Path) -> Path:
    return write_run(tmp_path / "run", data)


def test_a_file_a_folder_and_a_pattern_name_photos(run: Path, data: Path) -> None:
    from training.prediction.predict import predict

    folder = [str(data / label / f"00{number}.png") for label in ("amber", "jade", "slate") for number in (0, 1)]
    assert [one.path for one in predict(run, [data])] == folder
    assert [one.path for one in predict(run, [data / "jade" / "001.png"])] == [folder[3]]
    assert [one.path for one in predict(run, [str(data / "*" / "001.png")])] == folder[1::2]
    with pytest.raises(WrongInput, match="nowhere does not exist"):
        predict(run, [data, data / "nowhere"])


def test_names_on_standard_input_are_photos_and_a_wrong_one_is_a_row(
    run: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import io

    from training.prediction.predict import predict

    lines = f"{data / 'jade' / '000.png'}\n\n{data / 'nowhere.png'}\n{data / 'slate'}\n"
    monkeypatch.setattr("sys.stdin", io.StringIO(lines))
    found = list(predict(run, ["-"]))
    assert [Path(one.path).name for one in found] == ["000.png", "nowhere.png", "000.png", "001.png"]
    assert [one.code for one in found] == [None, "not_fetched", None, None]
    assert found[1].reason == "The file cannot be opened (no such file or directory)."


def test_what_is_no_picture_is_a_row_in_its_place(run: Path, data: Path) -> None:
    from training.prediction.predict import predict

    (data / "amber" / "0005.txt").write_text("words")
    found = list(predict(run, [data]))
    assert [one.code for one in found] == [None, "unsupported_format", None, None, None, None, None]
    assert found[1].predictions == ()
    assert "Convert it" in (found[1].reason or "")


def test_top_k_is_the_number_of_predictions(run: Path, data: Path) -> None:
    from training.prediction.predict import predict

    assert [len(next(predict(run, [data], top_k=count)).predictions) for count in (1, 2, 3, 9)] == [1, 2, 3, 3]
    with pytest.raises(WrongInput, match="top_k = 0"):
        predict(run, [data], top_k=0)


def test_many_photos_are_answered_in_batches_while_the_rest_is_not_read(run: Path, data: Path) -> None:
    from training.evaluation.forward import BATCH
    from training.prediction.predict import _results, load_model
    from training.prediction.sources import Given

    content = (data / "jade" / "000.png").read_bytes()
    numbers_read: list[int] = []

    def photos() -> Iterator[Given]:
        for number in range(10 * BATCH):
            numbers_read.append(number)
            yield Given(str(number), lambda: content)

    found = _results(load_model(run), photos(), 3, threads=2)
    assert next(found).path == "0"
    assert len(numbers_read) <= 4 * BATCH
    assert sum(1 for _ in found) == 10 * BATCH - 1


def test_an_archive_answers_as_its_run_does(finished: Run, photos: Path, handler: Path, tmp_path: Path) -> None:
    from training.packaging.package import package
    from training.prediction.predict import predict

    archive = package(finished.folder, name="colours", version="1.0", export_dir=tmp_path / "models", handler=handler)
    assert list(predict(archive, [photos])) == list(predict(finished.folder, [photos]))


def rewritten(archive: Path, target: Path, **content: bytes) -> Path:
    with zipfile.ZipFile(archive) as source, zipfile.ZipFile(target, "w") as written:
        for name in source.namelist():
            written.writestr(name, content.get(name, source.read(name)))
    return target


def test_an_archive_that_is_not_whole_is_refused(run: Path, data: Path, handler: Path, tmp_path: Path) -> None:
    from training.packaging.package import package
    from training.prediction.predict import predict

    archive = package(run, name="colours", version="1.0", export_dir=tmp_path, handler=handler)
    assert next(predict(archive, [data])).code is None
    with pytest.raises(
        WrongInput, match=r"other\.mar cannot be used\. model\.safetensors has SHA-256 \w+\.\.\., and model\.json names"
    ):
        predict(rewritten(archive, tmp_path / "other.mar", **{"model.safetensors": b"other"}), [data])
    facts = json.loads((run / "model.json").read_text()) | {"name": "colours", "version": "1.0"}
    narrower = json.dumps(facts | {"classes": ["amber", "jade"]}).encode()
    with pytest.raises(WrongInput, match=r"do not make a test_resnet with 2 classes"):
        predict(rewritten(archive, tmp_path / "narrow.mar", **{"model.json": narrower}), [data])
    shutil.copy(data / "jade" / "000.png", tmp_path / "photo.mar")
    with pytest.raises(WrongInput, match=r"photo\.mar cannot be used\. It is no ZIP"):
        predict(tmp_path / "photo.mar", [data])
    with pytest.raises(WrongInput, match="does not exist"):
        predict(tmp_path / "nowhere", [data])


def test_photos_in_a_bucket_are_predicted_in_place(run: Path, data: Path, bucket: S3Client) -> None:
    from training.prediction.predict import predict

    for path in sorted(data.rglob("*.png")):
        bucket.put_object(Bucket="photos", Key=f"new/{path.relative_to(data)}", Body=path.read_bytes())
    bucket.put_object(Bucket="photos", Key="new/", Body=b"")
    bucket.put_object(Bucket="photos", Key="old/words.txt", Body=b"words")
    found = list(predict(run, ["s3://photos/new/"]))
    assert [one.path.removeprefix("s3://photos/new/") for one in found] == [
        str(path.relative_to(data)) for path in sorted(data.rglob("*.png"))
    ]
    assert [one.predictions for one in found] == [one.predictions for one in predict(run, [data])]
    assert [one.code for one in predict(run, ["s3://photos/old"])] == ["unsupported_format"]
    with pytest.raises(WrongInput, match="nothing under s3://photos/nowhere"):
        list(predict(run, ["s3://photos/nowhere"]))
    with pytest.raises(TrainingError, match="s3://lost/new cannot be listed"):
        list(predict(run, ["s3://lost/new"]))
