"""What model.json may say: every claim in its range, and class names that can be shown anywhere."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest

from inference.archive.documents import Document, read_at_most
from inference.archive.errors import ModelRefused
from inference.archive.labels import MOST, check_labels
from inference.archive.model_file import ModelFile, model_of
from inference.archive.preprocessing import LONGEST_SIDE
from tests.model_server.archives import PREPROCESSING, model_document


def read(**changed: object) -> ModelFile:
    return model_of(Document.parsed(json.dumps(model_document("0" * 64, **changed)).encode(), "model.json"))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"temperature": math.nan}, "NaN is no number"),
        ({"temperature": math.inf}, "Infinity is no number"),
        ({"temperature": 0}, "temperature is 0, expected a number from 0.001 to 1000"),
        ({"temperature": -1.5}, "temperature is -1.5"),
        ({"temperature": 1e-300}, "temperature is 1e-300"),
        ({"temperature": True}, "temperature is True"),
        ({"temperature": "1.0"}, "temperature is '1.0'"),
        (
            {"uncertainty": {"threshold": -0.5, "target_accuracy": 0.9}},
            "threshold is -0.5, expected a number from 0 to 1",
        ),
        ({"uncertainty": {"threshold": 0.5, "target_accuracy": 90}}, "target_accuracy is 90"),
        ({"classes": ["a", "b", "a"]}, "the class name 'a' is there twice"),
        ({"classes": ["a", ""]}, "the class name '' should have 1 to 256 characters"),
        ({"classes": ["a", " \u00a0"]}, r"the class name ' \xa0' should have 1 to 256"),
        ({"classes": ["a", 3]}, "the class name 3 should have"),
        ({"classes": ["a", "b" * 257]}, "should have 1 to 256 characters"),
        ({"classes": ["a", "\ud800"]}, r"'\ud800' holds half a character"),
        ({"classes": ["a", "b\x1b[2J", "b\x1b[2J"]}, r"the class name 'b\x1b[2J' is there twice"),
        ({"classes": [str(number) for number in range(MOST + 1)]}, "there are 50,001 classes"),
        ({"classes": [f"{number:0256}" for number in range(9000)]}, "the 9,000 class names have 2,304,000 bytes"),
        ({"name": "two words"}, "name is 'two words'"),
        ({"name": None}, "name is None"),
        ({"version": "1.0-beta"}, "version is '1.0-beta'"),
        ({"architecture": "local-dir:/tmp/model"}, "architecture is 'local-dir:/tmp/model'"),
        ({"architecture": "resnet18.hf-hub:a"}, "architecture is"),
        ({"model_args": {"pretrained": True}}, "model_args: pretrained = True may not be set"),
        ({"model_args": {"checkpoint_path": "w.pth"}}, "model_args: checkpoint_path = 'w.pth' may not be set"),
        ({"weights": {"file": "model.pt", "sha256": "0" * 64}}, "names the file 'model.pt', expected one that lies"),
        ({"weights": {"file": "..", "sha256": "0" * 64}}, "names the file '..'"),
        ({"weights": {"file": "", "sha256": "0" * 64}}, "names the file ''"),
        ({"weights": {"file": "model.safetensors", "sha256": "0"}}, "sha256 is '0', expected 64 hexadecimal digits"),
        ({"weights": "model.safetensors"}, "has no weights.file"),
        ({"schema_version": 1}, "schema_version is 1, expected a text"),
    ],
    ids=lambda value: ascii(value)[:40] if isinstance(value, dict) else "",
)
def test_a_record_that_lies_is_refused(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(ModelRefused) as caught:
        read(**changed)
    sentence = str(caught.value)
    assert words in sentence
    assert sentence.startswith("model.json")
    assert sentence.endswith(".")
    assert len(sentence) < 400


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"std": [0, 0, 0]}, "preprocessing.std is [0, 0, 0], expected three numbers from 0.0001 to 100"),
        ({"std": [0.2, 0.2, -0.2]}, "preprocessing.std is"),
        ({"std": [0.2, 0.2, True]}, "preprocessing.std is"),
        ({"mean": [0, 0, 1e30]}, "preprocessing.mean is"),
        ({"mean": [0.5]}, "preprocessing.mean is [0.5]"),
        (
            {"mean": [0.5, 0.5, 1.1], "crop_mode": "border"},
            "preprocessing.mean is [0.5, 0.5, 1.1], expected three numbers from 0 to 1",
        ),
        ({"crop_pct": 65}, "leaves nothing to look at"),
        ({"mean": "0.5"}, "preprocessing.mean is '0.5'"),
        (
            {"input_size": [3, 100_000, 100_000]},
            "input_size is [3, 100000, 100000], expected three numbers from 1 to 1024",
        ),
        ({"input_size": [1, 64, 64]}, "3 channels"),
        ({"input_size": [3, 64, 64.5]}, "whole numbers"),
        ({"input_size": [3, 0, 64]}, "input_size is"),
        ({"crop_pct": 1e-9}, "crop_pct is 1e-09, expected one that resizes pictures to 8,192 pixels at most"),
        ({"crop_pct": 0}, "leaves nothing to look at"),
        ({"crop_pct": -1}, "crop_pct is -1"),
        ({"crop_pct": None}, "crop_pct is None"),
        ({"crop_mode": ["center"]}, "crop_mode is ['center'], expected a word"),
        ({"interpolation": "nearest"}, "interpolation 'nearest' is not supported"),
    ],
    ids=lambda value: ascii(value)[:40] if isinstance(value, dict) else "",
)
def test_preprocessing_that_nobody_can_follow_is_refused(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(ModelRefused) as caught:
        read(preprocessing=PREPROCESSING | changed)
    assert words in str(caught.value)
    assert re.search(r"[\w\])]\. Package the model again\.$", str(caught.value))


@pytest.mark.parametrize(
    "changed", [{"crop_mode": "border"}, {"crop_pct": 1.15}, {"crop_mode": "squash"}, {"mean": [-3, 0, 3]}]
)
def test_preprocessing_that_some_network_of_timm_wants_is_followed(changed: dict[str, Any]) -> None:
    assert read(preprocessing=PREPROCESSING | changed).preprocessing == PREPROCESSING | changed


@pytest.mark.parametrize("version", ["1.1", "2.0", "10.0", "2"])
def test_a_newer_format_says_what_to_do(version: str) -> None:
    with pytest.raises(ModelRefused) as caught:
        read(schema_version=version)
    assert str(caught.value) == (
        f"model.json has schema_version {version!r}, this Podium reads '1.0'. Update Podium, or package the model again with "
        "this one."
    )


@pytest.mark.parametrize("version", ["0.9", "one", "", "1.0.0.0"])
def test_another_format_that_is_not_newer_is_to_be_packaged_again(version: str) -> None:
    with pytest.raises(ModelRefused, match=r"this Podium reads '1\.0'\. Package the model again\."):
        read(schema_version=version)


def test_names_in_any_script_are_class_names() -> None:
    check_labels(
        [
            "Bälle",
            "موز",
            "גלידה",
            "香蕉",
            "कुत्ता",
            "🎾",
            "👩‍🚀",
            "می\u200cخواهم",
            "a, \"b\"; 'c'",
            "=1+1",
            "two\nlines",
            "\x1b[2J",
        ]
    )


def test_a_document_that_is_a_folder_or_a_pipe_or_too_large_is_refused(tmp_path: Path) -> None:
    import os

    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(b"123")
    for name in ("folder", "pipe", "absent"):
        with pytest.raises(ModelRefused, match=f"{name} is missing"):
            read_at_most(tmp_path / name)
    with pytest.raises(ModelRefused, match="large is larger than"):
        read_at_most(tmp_path / "large", most=2)
    assert read_at_most(tmp_path / "large", most=3) == b"123"


def test_the_longest_side_is_the_longest_that_training_makes() -> None:
    from training.settings.config import TrainConfig

    for name in ("image_size", "train_size"):
        assert f"Le(le={LONGEST_SIDE})" in repr(TrainConfig.model_fields[name])


def test_the_records_of_the_first_archives_are_still_read() -> None:
    """Those had no engines, and later ones no list of what a CPU must be able to do; both said 1.0."""
    document = model_document("0" * 64)
    del document["engines"]
    assert model_of(Document(document, "model.json")).engines == ()
    files = {"openvino.xml": "0" * 64, "openvino.bin": "1" * 64}
    document["engines"] = [
        {"engine": "openvino", "precisions": ["fp32"], "files": files, "agreement": None, "held_out": None}
    ]
    [engine] = model_of(Document(document, "model.json")).engines
    assert (engine.engine, engine.files, engine.processor) == ("openvino", files, frozenset())
