"""An archive that is not whole or not consistent is refused when it is loaded, with a sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from inference.archive.digest import file_sha256
from inference.archive.errors import ModelRefused
from tests.model_server.archives import CLASSES, PREPROCESSING, change

pytestmark = pytest.mark.torch


def refusal(archive: Path) -> str:
    """Why an archive is not loaded."""
    from inference.classifier import Classifier

    with pytest.raises(ModelRefused) as caught:
        Classifier.load(archive)
    return str(caught.value)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"schema_version": "2.0"}, "schema_version '2.0'"),
        ({"architecture": "resnet_9000"}, "no architecture 'resnet_9000'"),
        ({"architecture": "hf-hub:somebody/something"}, "architecture is 'hf-hub:somebody/something'"),
        ({"model_args": {"no_such_argument": 1}}, "no_such_argument"),
        ({"classes": [*CLASSES, "one more"]}, "expected 5 numbers"),
        ({"classes": ["same"] * 4}, "'same' is there twice"),
        ({"classes": []}, "at least one"),
        ({"classes": "baseball"}, "classes is 'baseball', expected a list"),
        ({"temperature": 0}, "temperature is 0, expected a number from 0.001 to 1000"),
        ({"uncertainty": {"threshold": "high", "target_accuracy": 0.95}}, "uncertainty.threshold is 'high'"),
        ({"preprocessing": {**PREPROCESSING, "mean": None}}, "preprocessing.mean is None"),
        ({"preprocessing": {**PREPROCESSING, "mean": [0.5, 0.5]}}, "preprocessing.mean is [0.5, 0.5]"),
        ({"preprocessing": {**PREPROCESSING, "std": [0.2, 0.2, 0]}}, "preprocessing.std is [0.2, 0.2, 0]"),
        ({"preprocessing": {**PREPROCESSING, "input_size": 64}}, "preprocessing"),
        ({"preprocessing": {**PREPROCESSING, "input_size": [3, "64", 64]}}, "preprocessing"),
        ({"preprocessing": {**PREPROCESSING, "crop_pct": 0}}, "leaves nothing to look at"),
        ({"preprocessing": {**PREPROCESSING, "crop_mode": "stretch"}}, "crop_mode 'stretch'"),
        ({"preprocessing": {"input_size": [3, 64, 64]}}, "no preprocessing.interpolation"),
        ({"preprocessing": {**PREPROCESSING, "interpolation": "magic"}}, "interpolation 'magic' is not supported"),
        ({"weights": {"file": "model.safetensors", "sha256": "0" * 64}}, "one of them was changed"),
        ({"weights": {"file": "absent.safetensors", "sha256": "0" * 64}}, "absent.safetensors is missing"),
        ({"weights": {"file": "../model.safetensors", "sha256": "0" * 64}}, "one that lies in the archive itself"),
    ],
)
def test_an_archive_that_contradicts_itself_is_refused_at_load(
    archive: Path, fields: dict[str, object], words: str
) -> None:
    assert words in refusal(change(archive, **fields))


@pytest.mark.parametrize(
    ("text", "words"), [(None, "model.json is missing"), ("{", "is no JSON"), ("[]", "no schema_")]
)
def test_an_archive_without_a_readable_model_file_is_refused_at_load(
    archive: Path, text: str | None, words: str
) -> None:
    (archive / "model.json").unlink()
    if text is not None:
        (archive / "model.json").write_text(text)
    assert words in refusal(archive)


def test_weights_that_are_no_safetensors_are_refused_at_load(archive: Path) -> None:
    (archive / "model.safetensors").write_bytes(b"\x80\x04 a pickle")
    change(archive, weights={"file": "model.safetensors", "sha256": file_sha256(archive / "model.safetensors")})
    assert "The weights do not make a test_resnet" in refusal(archive)


def changed_weights(archive: Path, factor: float) -> Path:
    """The archive with every weight times `factor`, and their digest, as somebody would who changes an archive."""
    from safetensors.torch import load_file, save_file

    weights = archive / "model.safetensors"
    changed = {
        name: tensor * factor if tensor.is_floating_point() else tensor for name, tensor in load_file(weights).items()
    }
    save_file(changed, weights)
    return change(archive, weights={"file": "model.safetensors", "sha256": file_sha256(weights)})


def test_weights_that_are_not_the_golden_ones_are_refused_at_load(archive: Path) -> None:
    assert "golden predictions are off by" in refusal(changed_weights(archive, 1.1))


def test_a_network_that_answers_no_numbers_is_refused_at_load(archive: Path) -> None:
    assert "numbers that are not finite" in refusal(changed_weights(archive, float("nan")))


@pytest.mark.parametrize(
    ("golden", "words"),
    [
        (None, "golden.json is missing"),
        ("", "golden.json is no JSON"),
        ("[]", "golden.json has no pictures"),
        ("{}", "golden.json has no pictures"),
        ('{"pictures": 1}', "pictures is 1, expected a list"),
        ('{"pictures": []}', "1 to 16 golden pictures"),
        ('{"pictures": [1]}', "pictures[0] has no logits"),
        ('{"pictures": [{"image": "AAAA", "logits": [1, 2, 3, 4]}]}', "pictures[0].image is no picture"),
        ('{"pictures": [{"image": "A", "logits": [1, 2, 3, 4]}]}', "pictures[0].image is no picture"),
        ('{"pictures": [{"image": 1, "logits": [1, 2, 3, 4]}]}', "image is 1, expected a text"),
    ],
)
def test_an_archive_without_golden_predictions_is_refused_at_load(
    archive: Path, golden: str | None, words: str
) -> None:
    (archive / "golden.json").unlink()
    if golden is not None:
        (archive / "golden.json").write_text(golden)
    assert words in refusal(archive)


@pytest.mark.parametrize(
    "logits", [[1, 2, 3], [1, 2, 3, "four"], [1, 2, 3, True], [1, 2, 3, 1e10], [[1, 2, 3, 4]], 4, None]
)
def test_golden_logits_of_another_shape_are_refused_at_load(archive: Path, logits: object) -> None:
    document = json.loads((archive / "golden.json").read_text())
    document["pictures"][0]["logits"] = logits
    (archive / "golden.json").write_text(json.dumps(document))
    assert "golden" in refusal(archive)


def test_golden_logits_that_are_no_numbers_do_not_pass_for_equal_ones(archive: Path) -> None:
    """NaN is neither more nor less than what rounding allows: any weights would do."""
    document = json.loads((archive / "golden.json").read_text())
    document["pictures"][0]["logits"] = [float("nan")] * 4
    (changed_weights(archive, 3.0) / "golden.json").write_text(json.dumps(document))
    assert "golden.json is no JSON (NaN is no number)" in refusal(archive)
