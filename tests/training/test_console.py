"""`podium render | train | package`, as a person and as a script meets them."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import typer
from typer.testing import CliRunner

from podium.commands import model
from podium.errors import EXIT_FAILED, EXIT_USAGE, ConsoleError
from training.config import TrainConfig

if TYPE_CHECKING:
    from typer.testing import Result

    from training.run import Run


def podium(*words: str | Path) -> Result:
    app = typer.Typer()
    model.register(app)
    return CliRunner().invoke(app, [str(word) for word in words])


def refused(*words: str | Path, exit_code: int = EXIT_USAGE) -> str:
    """The sentence with which the console ends."""
    error = podium(*words).exception
    assert isinstance(error, ConsoleError)
    assert error.exit_code == exit_code
    assert "\n" not in str(error)
    return str(error)


def test_importing_the_commands_imports_nothing_heavy() -> None:
    script = "import sys, podium.commands.model; print([m for m in ('torch','timm','numpy','PIL') if m in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert answer.stdout == "[]\n"


def test_the_console_and_the_config_have_the_same_defaults() -> None:
    parameters = inspect.signature(model.train).parameters
    for name in ("model", "pretrained", "epochs", "image_size", "batch_size", "lr", "freeze_epochs", "seed", "workers"):
        assert parameters[name].default == TrainConfig.model_fields[name].default


def test_render_draws_three_splits(tmp_path: Path) -> None:
    result = podium("render", tmp_path / "balls", "--images-per-class", "2", "--image-size", "32", "--json")
    document = json.loads(result.stdout)
    assert document["per_class"] == {"train": 2, "validation": 1, "unseen": 1}
    assert document["images"] == len(list((tmp_path / "balls").rglob("*.jpg"))) == 60
    assert result.stderr.splitlines()[-1] == f"next: podium train {tmp_path / 'balls'}"


@pytest.mark.torch
def test_train_and_package_from_photos_to_an_archive(photos: Path, tmp_path: Path) -> None:
    trained = podium(
        "train", photos, "--model", "test_resnet", "--image-size", "32", "--epochs", "1", "--batch-size", "4",
        "--threads", "1", "--run", tmp_path / "run", "--json",
    )  # fmt: skip
    document = json.loads(trained.stdout)
    assert document["run"] == str(tmp_path / "run")
    assert document["model"]["classes"] == ["amber", "jade", "slate"]
    assert len(document["epochs"]) == 1
    assert trained.stderr.splitlines()[-1] == f"next: podium package {tmp_path / 'run'}"
    packed = podium("package", tmp_path / "run", "--name", "colours", "--out", tmp_path / "models", "--json")
    archive = Path(json.loads(packed.stdout)["archive"])
    assert archive == tmp_path / "models" / "colours.mar"
    assert packed.stderr.splitlines()[-1] == f"next: podium up --archive {archive}"
    with zipfile.ZipFile(archive) as opened:
        assert {"handler.py", "imagefile/reading.py", "model-config.yaml", "model.json"} <= set(opened.namelist())


@pytest.mark.torch
def test_a_person_sees_a_line_per_epoch_and_what_to_do_next(finished: Run) -> None:
    from rich.console import Console

    console = Console(width=120, record=True)
    console.print(model.epochs_table(finished))
    lines = console.export_text().splitlines()
    assert lines[0].split() == ["epoch", "train", "loss", "loss", "top-1", "top-3", "images/s", "s"]
    assert [line.split()[0] for line in lines[1:]] == ["1", "2"]
    assert all(note.count("\n") == 0 for note in model.run_notes(finished))


@pytest.mark.torch
def test_data_that_cannot_teach_is_a_wrong_value(tmp_path: Path) -> None:
    assert "is no folder" in refused("train", tmp_path / "nowhere")
    assert "has no class folders" in refused("train", tmp_path)
    (tmp_path / "jade").mkdir()
    assert "only one class" in refused("train", tmp_path)


@pytest.mark.torch
def test_an_unknown_model_is_a_wrong_value_with_near_names(photos: Path, tmp_path: Path) -> None:
    assert "resnet50" in refused("train", photos, "--model", "resnet5O", "--run", tmp_path / "run")


@pytest.mark.torch
def test_a_wrong_learning_rate_is_a_wrong_value(photos: Path, tmp_path: Path) -> None:
    assert refused("train", photos, "--lr", "0", "--run", tmp_path / "run").startswith("lr = 0.0: ")


@pytest.mark.torch
def test_a_run_that_cannot_be_packed_is_a_failure(tmp_path: Path) -> None:
    assert "no finished run" in refused("package", tmp_path, exit_code=EXIT_FAILED)


def test_a_number_out_of_range_is_a_wrong_value() -> None:
    assert podium("train", "photos", "--epochs", "0").exit_code == EXIT_USAGE
    assert podium("render", "balls", "--image-size", "4").exit_code == EXIT_USAGE
