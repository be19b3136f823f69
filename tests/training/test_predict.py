"""A photo scores the same in evaluation, in prediction, and through the transform that the archive describes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from imagefile.reading import UnreadableImage, read_image

if TYPE_CHECKING:
    from training.run import Run

pytestmark = pytest.mark.torch


def test_prediction_on_the_validation_photos_is_the_evaluation(finished: Run, photos: Path) -> None:
    from training.listing import list_photos
    from training.predict import predict_paths

    validating = list_photos(photos, validation_share=0.2, seed=0).of("validation")
    answers = predict_paths(finished.folder, [photo.path for photo in validating])
    classes = finished.model.classes
    top1 = sum(answer[0].label == classes[p.label] for answer, p in zip(answers, validating, strict=True))
    assert top1 / len(validating) == pytest.approx(finished.model.metrics.top1)


def test_prediction_is_what_model_json_alone_describes(finished: Run, photos: Path) -> None:
    """The way that any reader of the archive goes: read_image, timm's create_transform, logits / temperature.

    But for the rounding of pixels: tests/imagefile/test_pixels.py says by how much.
    """
    import torch
    from timm.data.transforms_factory import create_transform

    from training.network import load_run
    from training.predict import predict_paths

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
    from training.predict import predict_paths

    for answer in predict_paths(finished.folder, sorted(photos.rglob("*.png"))):
        odds = [step.probability for step in answer]
        assert odds == sorted(odds, reverse=True)
        assert sum(odds) == pytest.approx(1)  # three classes, three answers


def test_no_photos_are_no_answers_and_a_broken_one_says_so(finished: Run, tmp_path: Path) -> None:
    from training.predict import predict_paths

    assert predict_paths(finished.folder, []) == []
    (tmp_path / "broken.jpg").write_bytes(b"")
    with pytest.raises(UnreadableImage, match="empty"):
        predict_paths(finished.folder, [tmp_path / "broken.jpg"])
