"""The archive: complete, free of pickles, the same bytes each time, and refused if a check fails."""

from __future__ import annotations

import base64
import json
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from training.errors import TrainingError, WrongInput

if TYPE_CHECKING:
    from training.run import Run

pytestmark = pytest.mark.torch


def packed(run_folder: Path, handler: Path, export_dir: Path, **changed: Any) -> Path:  # noqa: ANN401 - package's own
    from training.packaging.package import package

    arguments: dict[str, Any] = {
        "name": "balls", "version": "1.0", "export_dir": export_dir, "handler": handler,
        "extra_files": [handler.parent / "inference"], "config_file": handler.parent / "model-config.yaml",
    }  # fmt: skip
    return package(run_folder, **(arguments | changed))


def rewrite(run_folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = run_folder / "model.json"
    facts = json.loads(path.read_text())
    change(facts)
    path.write_text(json.dumps(facts))


def test_the_archive_holds_a_complete_model_and_nothing_that_could_be_a_pickle(
    finished: Run, handler: Path, tmp_path: Path
) -> None:
    archive = packed(finished.folder, handler, tmp_path / "models", version="2.1")
    assert archive == tmp_path / "models" / "balls.mar"
    with zipfile.ZipFile(archive) as opened:
        assert set(opened.namelist()) == {
            "MAR-INF/MANIFEST.json", "golden.json", "handler.py", "inference/images/reading.py", "model-config.yaml",
            "model.json", "model.safetensors",
        }  # fmt: skip
        facts = json.loads(opened.read("model.json"))
        manifest = json.loads(opened.read("MAR-INF/MANIFEST.json"))
        assert not any(opened.read(name).startswith((b"\x80", b"PK")) for name in opened.namelist())
    assert (facts["name"], facts["version"]) == ("balls", "2.1")
    assert manifest["model"]["modelName"] == "balls"
    assert manifest["model"]["modelVersion"] == "2.1"
    assert manifest["model"]["handler"] == "handler.py"
    assert manifest["model"]["configFile"] == "model-config.yaml"
    run_facts = json.loads((finished.folder / "model.json").read_text())
    assert facts == run_facts | {"name": "balls", "version": "2.1"}


def test_the_same_run_is_packed_as_the_same_bytes(finished: Run, handler: Path, tmp_path: Path) -> None:
    one = packed(finished.folder, handler, tmp_path / "one").read_bytes()
    assert packed(finished.folder, handler, tmp_path / "two").read_bytes() == one
    assert packed(finished.folder, handler, tmp_path / "one").read_bytes() == one  # over the one that is there
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["balls.mar"]


def test_a_folder_with_the_models_name_in_tmp_survives(
    finished: Run, handler: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torch-model-archiver deletes TMPDIR/NAME before it begins."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    (tmp_path / "balls").mkdir()
    (tmp_path / "balls" / "precious.txt").write_text("mine")
    packed(finished.folder, handler, tmp_path / "models")
    assert (tmp_path / "balls" / "precious.txt").read_text() == "mine"


def test_weights_that_were_changed_are_refused(a_copy: Path, handler: Path, tmp_path: Path) -> None:
    weights = a_copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    with pytest.raises(TrainingError, match="has SHA-256"):
        packed(a_copy, handler, tmp_path)


def test_a_head_with_other_outputs_than_classes_is_refused(a_copy: Path, handler: Path, tmp_path: Path) -> None:
    rewrite(a_copy, lambda facts: facts["classes"].append("a fourth"))
    with pytest.raises(
        TrainingError,
        match=r"do not make a resnet10t with 4 classes: fc\.bias is float32 \(3,\), and the network has float32 \(4,\)",
    ):
        packed(a_copy, handler, tmp_path)


def test_weights_of_another_architecture_are_refused(a_copy: Path, handler: Path, tmp_path: Path) -> None:
    rewrite(a_copy, lambda facts: facts["model_args"].update(stem_width=12))
    with pytest.raises(TrainingError, match="do not make a resnet10t"):
        packed(a_copy, handler, tmp_path)


@pytest.mark.parametrize("weight", [1e30, float("nan")])
def test_a_network_that_diverged_is_refused_before_a_server_would(
    a_copy: Path, handler: Path, tmp_path: Path, weight: float
) -> None:
    from safetensors.torch import load_file, save_file

    from inference.archive.digest import file_sha256

    path = a_copy / "model.safetensors"
    save_file({name: it.fill_(weight) if "fc" in name else it for name, it in load_file(path).items()}, path)
    rewrite(a_copy, lambda facts: facts["weights"].update(sha256=file_sha256(path)))
    with pytest.raises(TrainingError, match="diverged"):
        packed(a_copy, handler, tmp_path)
    assert not [it for it in tmp_path.iterdir() if it.suffix == ".mar" or it.name.startswith(".packing")]


def test_an_unfinished_run_is_refused(a_copy: Path, handler: Path, tmp_path: Path) -> None:
    (a_copy / "model.json").unlink()
    with pytest.raises(TrainingError, match="no finished run"):
        packed(a_copy, handler, tmp_path)


def test_a_pickle_among_the_extra_files_is_refused(finished: Run, handler: Path, tmp_path: Path) -> None:
    sneaky = tmp_path / "extra.pt"
    sneaky.write_bytes(pickle.dumps({"weights": 1}))
    with pytest.raises(TrainingError, match=r"extra\.pt may not be in an archive"):
        packed(finished.folder, handler, tmp_path / "models", extra_files=[sneaky])
    assert list((tmp_path / "models").iterdir()) == []


def test_an_extra_file_cannot_replace_the_model_file(finished: Run, handler: Path, tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text("{}")
    with pytest.raises(WrongInput, match="Rename it"):
        packed(finished.folder, handler, tmp_path / "models", extra_files=[tmp_path / "model.json"])


@pytest.mark.parametrize(
    "changed",
    [{"name": "two words"}, {"name": "-dash"}, {"name": ""}, {"version": "one"}, {"extra_files": [Path("nowhere.py")]}],
)
def test_a_wrong_value_is_refused_and_writes_nothing(
    finished: Run, handler: Path, tmp_path: Path, changed: dict[str, Any]
) -> None:
    with pytest.raises(WrongInput):
        packed(finished.folder, handler, tmp_path / "models", **changed)
    assert not (tmp_path / "models" / "balls.mar").exists()


def test_a_handler_that_is_missing_ends_in_a_sentence(finished: Run, handler: Path, tmp_path: Path) -> None:
    shutil.move(handler, tmp_path / "gone.py")
    with pytest.raises(TrainingError, match="torch-model-archiver failed"):
        packed(finished.folder, handler, tmp_path / "models")


def test_the_configuration_in_the_archive_names_the_requested_engine_and_precision(
    finished: Run, handler: Path, tmp_path: Path
) -> None:
    for engine, precision in (("torch", "auto"), ("torch", "bf16"), ("torch-compiled", "fp32")):
        archive = packed(finished.folder, handler, tmp_path, engine=engine, precision=precision)
        with zipfile.ZipFile(archive) as opened:
            text = opened.read("model-config.yaml").decode()
        assert text == f"batchSize: 8\nhandler:\n  engine: {engine} # or\n  precision: {precision}\n"
    assert "engine: auto" in (handler.parent / "model-config.yaml").read_text(), "the original stays as it is"


@pytest.mark.parametrize("text", ["batchSize: 8\n", "handler:\n  engine: auto\n", "engine: auto\nprecision: auto\n"])
def test_a_configuration_without_a_place_for_the_engine_is_refused(
    finished: Run, handler: Path, tmp_path: Path, text: str
) -> None:
    (handler.parent / "model-config.yaml").write_text(text)
    with pytest.raises(WrongInput, match=r"sets \w+ 0 times under `handler:`, expected once"):
        packed(finished.folder, handler, tmp_path / "models")


def test_the_golden_predictions_in_the_archive_are_those_of_its_network(
    finished: Run, handler: Path, tmp_path: Path
) -> None:
    import torch

    from training.evaluation.metrics import logits_of
    from training.model.network import load_run
    from training.photos.pixels import evaluation_pixels

    with zipfile.ZipFile(packed(finished.folder, handler, tmp_path)) as opened:
        pictures = json.loads(opened.read("golden.json"))["pictures"]
    network, facts = load_run(finished.folder)
    images = [base64.b64decode(picture["image"]) for picture in pictures]
    assert len(set(images)) == 3
    pixels = torch.stack([evaluation_pixels(image, facts.preprocessing) for image in images])
    logits = logits_of(network, pixels, facts.preprocessing, torch.device("cpu"))
    for row, picture in zip(logits.tolist(), pictures, strict=True):
        assert row == pytest.approx(picture["logits"], abs=1e-4)
