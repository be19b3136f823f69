"""The console reads a packaged model by the rules of every reader, and says in a sentence what is wrong with it."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from podium.archives import read_archive
from podium.errors import ConsoleError
from tests.inference.archive.mars import files, write_mar

ENGINES = [
    {
        "engine": "openvino", "precisions": ["int8"], "files": {"openvino-int8.xml": "0" * 64}, "agreement": 0.99,
        "held_out": 2000, "processor": [],
    }
]  # fmt: skip


def test_a_whole_archive_says_what_it_holds(tmp_path: Path) -> None:
    model = read_archive(write_mar(tmp_path / "balls.mar", files(engines=ENGINES)))
    assert (model.ref, len(model.classes)) == ("balls@1.0", 4)
    [engine] = model.engines
    assert (engine.engine, engine.precisions, engine.agreement, engine.held_out) == ("openvino", ("int8",), 0.99, 2000)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"temperature": float("nan")}, "model.json is no JSON (NaN is no number)"),
        ({"schema_version": "2.0"}, "Update Podium"),
        ({"model_args": {"checkpoint_path": "/tmp/weights.pth"}}, "checkpoint_path = '/tmp/weights.pth' may not be set"),
        ({"name": "cats"}, "modelName is 'balls', expected 'cats', as model.json says"),
    ],
)  # fmt: skip
def test_an_archive_that_lies_is_not_served(tmp_path: Path, changed: dict[str, object], words: str) -> None:
    mar = write_mar(tmp_path / "balls.mar", files(**changed))
    with pytest.raises(ConsoleError) as caught:
        read_archive(mar)
    assert str(caught.value).startswith(f"{mar} cannot be used. ")
    assert words in str(caught.value)


def test_a_file_that_is_no_archive_and_one_that_is_not_there_say_so(tmp_path: Path) -> None:
    (tmp_path / "photo.mar").write_bytes(b"no zip")
    with pytest.raises(ConsoleError, match=r"photo\.mar cannot be used\. It is no ZIP, is cut short"):
        read_archive(tmp_path / "photo.mar")
    with zipfile.ZipFile(tmp_path / "empty.mar", "w"):
        pass
    with pytest.raises(
        ConsoleError,
        match=r"empty\.mar cannot be used\. It is a ZIP file, but no archive of a model: model\.json is missing",
    ):
        read_archive(tmp_path / "empty.mar")
    with pytest.raises(ConsoleError, match="no archive at"):
        read_archive(tmp_path / "absent.mar")
