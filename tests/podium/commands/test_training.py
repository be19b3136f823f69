"""`podium render | train | recipes | package`, as a person and as a script meets them."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from podium.errors import EXIT_FAILED
from podium.shown import training as shown_training
from tests.podium.commands.console import podium, refused

if TYPE_CHECKING:
    from training.run import Run


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
        "--threads", "1", "--run", tmp_path / "run", "--cache-dir", tmp_path / "cache", "tensorboard=false", "--json",
    )  # fmt: skip
    document = json.loads(trained.stdout)
    assert document["run"] == str(tmp_path / "run")
    assert document["model"]["classes"] == ["amber", "jade", "slate"]
    assert len(document["epochs"]) == 1
    assert (
        trained.stderr.splitlines()[-1]
        == f"next: podium evaluate {tmp_path / 'run'}, or podium package {tmp_path / 'run'}"
    )
    packed = podium("package", tmp_path / "run", "--name", "colours", "--out", tmp_path / "models", "--json")
    archive = Path(json.loads(packed.stdout)["archive"])
    assert archive == tmp_path / "models" / "colours.mar"
    assert packed.stderr.splitlines()[-1] == f"next: podium up --archive {archive}"
    with zipfile.ZipFile(archive) as opened:
        assert {"handler.py", "inference/images/reading.py", "model-config.yaml", "model.json"} <= set(
            opened.namelist()
        )


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("--dryrun", "--dry-run"),
        ("--dry_run", "--dry-run"),
        ("--dry-rn=1", "--dry-run"),
        ("--jsn", "--json"),
        ("--resum", "--resume"),
    ],
)
def test_a_misspelt_option_of_the_command_is_told_the_option_and_no_setting(
    tmp_path: Path, typed: str, meant: str
) -> None:
    said = refused("train", tmp_path, typed)
    assert said == f"there is no option {typed.partition('=')[0]}. Did you mean {meant}?"


def test_a_setting_that_reads_like_an_option_is_a_setting(tmp_path: Path) -> None:
    assert "'three': give a whole number" in refused("train", tmp_path, "--epochs", "three")


@pytest.mark.torch
def test_a_person_sees_a_line_per_epoch_and_what_to_do_next(finished: Run) -> None:
    from rich.console import Console

    console = Console(width=120, record=True)
    console.print(shown_training.epochs_table(finished))
    lines = console.export_text().splitlines()
    assert lines[0].split() == ["epoch", "train", "loss", "train", "top-1", "loss", "top-1", "top-3", "images/s", "s"]
    assert [line.split()[0] for line in lines[1:]] == ["1", "2"]
    assert all(note.count("\n") == 0 for note in shown_training.run_notes(finished))


@pytest.mark.torch
def test_data_that_cannot_teach_is_a_wrong_value(tmp_path: Path) -> None:
    assert "is no folder" in refused("train", tmp_path / "nowhere", "pretrained=none")
    assert "has no class folders" in refused("train", tmp_path, "pretrained=none")
    (tmp_path / "jade").mkdir()
    assert "only one class" in refused("train", tmp_path, "pretrained=none")


@pytest.mark.torch
def test_a_run_that_cannot_be_packed_is_a_failure(tmp_path: Path) -> None:
    assert "no finished run" in refused("package", tmp_path, exit_code=EXIT_FAILED)


def test_a_number_out_of_range_is_a_wrong_value() -> None:
    assert refused("train", "photos", "--epochs", "0").startswith("epochs = 0: ")
    assert refused("render", "balls", "--image-size", "4").startswith("--image-size 4: ")


def test_train_without_words_says_what_it_wants() -> None:
    assert "Give a folder with one sub-folder of photos per class" in refused("train")


def test_a_setting_that_there_is_not_names_the_nearest() -> None:
    assert "Did you mean 'epochs'?" in refused("train", "photos", "epoch=5")


def test_resume_takes_no_other_settings(tmp_path: Path) -> None:
    assert "leave out epochs=5" in refused("train", "--resume", tmp_path, "epochs=5")


@pytest.mark.torch
def test_a_dry_run_says_what_would_be_trained_and_writes_nothing(photos: Path, tmp_path: Path) -> None:
    words = (
        "train",
        "quick",
        photos,
        "pretrained=none",
        "image_size=32",
        "lr=auto",
        f"run={tmp_path / 'run'}",
        "--dry-run",
    )
    document = json.loads(podium(*words, "--json").stdout)
    assert (document["classes"], document["train_images"] + document["validation_images"]) == (3, 18)
    assert document["settings"]["lr"] == pytest.approx(5e-4 * 2 * 0.5**0.5)
    assert "5e-4 for 64 photos" in document["reasons"]["lr"]
    assert not (tmp_path / "run").exists()
    shown = podium(*words)
    assert "mobilenetv3_small_100" in shown.stdout
    assert "nothing was trained" in shown.stderr


@pytest.mark.torch
@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (["optimizer=admw"], "timm has no optimizer 'admw'. Near names: adamw"),
        (["freeze=stages:99"], "freeze = 'stages:99': this model has "),
        (["rand_augment=nonsense"], "rand_augment = 'nonsense'"),
        (["model=plain_cnn"], "The hub has no weights for plain_cnn"),
        (["device=abacus"], "device = 'abacus': this machine has none that torch can use"),
    ],
)
def test_a_dry_run_refuses_what_a_training_would_and_needs_no_weights(
    photos: Path, tmp_path: Path, settings: list[str], sentence: str
) -> None:
    """It names weights of the hub, which no test may download."""
    words = ("train", photos, "quick", "image_size=32", f"run={tmp_path / 'run'}", "--dry-run")
    assert sentence in refused(*words, *settings)
    assert not (tmp_path / "run").exists()


@pytest.mark.torch
def test_a_dry_run_refuses_a_run_folder_that_is_occupied(photos: Path, tmp_path: Path) -> None:
    assert f"{photos} is not empty" in refused("train", photos, "pretrained=none", f"run={photos}", "--dry-run")
    (tmp_path / "empty").mkdir()
    free = podium("train", photos, "pretrained=none", "image_size=32", f"run={tmp_path / 'empty'}", "--dry-run")
    assert free.exit_code == 0


@pytest.mark.torch
def test_a_dry_run_names_the_default_recipe_and_what_only_a_training_knows(photos: Path) -> None:
    bare = json.loads(podium("train", photos, "train_size=32", "hours=2", "--dry-run", "--json").stdout)
    assert bare["notes"][0] == "recipe = balanced (none was named; `podium recipes` lists them)"
    assert bare["notes"][1].startswith(
        "hours = 2 (a training measures its speed first, and chooses as many epochs as fit"
    )
    assert (bare["settings"]["recipe"], bare["settings"]["pretrained"]) == ("balanced", "hub")
    shown = podium("train", photos, "model=test_resnet", "image_size=32", "--dry-run")
    assert "test_resnet starts from random weights" in " ".join(shown.stdout.split())
    assert "none was named" not in shown.stdout


def test_a_dry_run_of_what_is_resumed_is_a_wrong_usage(tmp_path: Path) -> None:
    assert "leave one of the two out" in refused("train", "--resume", tmp_path, "--dry-run")


@pytest.mark.torch
def test_folds_that_cannot_be_trained_leave_their_folder_free(photos: Path, tmp_path: Path) -> None:
    words = ("train", photos, "cnn", f"run={tmp_path / 'run'}")
    assert "no optimizer 'admw'" in refused(*words, "optimizer=admw")
    assert not (tmp_path / "run").exists()


@pytest.mark.torch
def test_every_fold_is_trained_and_their_mean_is_shown(photos: Path, tmp_path: Path) -> None:
    words = (
        "train",
        photos,
        "model=test_resnet",
        "image_size=32",
        "epochs=1",
        "batch_size=4",
        "threads=1",
        "tensorboard=false",
    )
    answer = podium(*words, "folds=3", f"run={tmp_path / 'run'}", f"cache_dir={tmp_path / 'cache'}", "--json")
    document = json.loads(answer.stdout)
    runs = document["folds"]
    assert len(runs) == 3
    assert document["top1"]["mean"] == pytest.approx(sum(run["model"]["metrics"]["top1"] for run in runs) / 3)
    held_out = [
        {
            line.split(",")[2]
            for line in (tmp_path / "run" / f"fold-{fold}" / "split.csv").read_text().splitlines()
            if line.startswith("validation")
        }
        for fold in range(3)
    ]
    assert [len(names) for names in held_out] == [6, 6, 6]
    assert len(set.union(*held_out)) == 18  # every photo was held out once
    assert json.loads((tmp_path / "run" / "folds.json").read_text())["top1"] == document["top1"]


def test_recipes_are_listed_and_shown_whole() -> None:
    import yaml

    listed = json.loads(podium("recipes", "--json").stdout)
    assert "quick" in [recipe["name"] for recipe in listed]
    shown = yaml.safe_load(podium("recipes", "balls-resnet26d-avg-sgd").stdout)
    assert (shown["claim"]["value"], shown["settings"]["momentum"]) == (0.87, 0.8)
    assert "Did you mean 'quick'?" in refused("recipes", "quik")


def test_every_setting_is_listed_with_its_meaning() -> None:
    from training.settings.config import TrainConfig

    listed = json.loads(podium("recipes", "--settings", "--json").stdout)["properties"]
    assert set(listed) == set(TrainConfig.model_fields)
    assert all(one.get("description") for one in listed.values())


def test_words_that_would_do_nothing_are_a_wrong_usage(tmp_path: Path) -> None:
    assert "leave one of the two out" in refused("recipes", "quick", "--settings")
    assert "add --precision int8" in refused("package", tmp_path, "--least-agreement", "0.5")


def test_a_loss_that_a_recipe_claims_is_no_share() -> None:
    from rich.console import Console

    from training.settings.config import Claim
    from training.settings.recipes import read_recipe

    claim = Claim(metric="loss", value=0.46, photos="its own", source="a talk")
    console = Console(width=160, record=True)
    console.print(shown_training.recipes_table([read_recipe("quick").model_copy(update={"claim": claim})]))
    assert "loss 0.460" in console.export_text()


def test_settings_and_progress_show_brackets_as_they_are() -> None:
    from podium.shown import console as present
    from podium.shown.progress import _bar

    bar = _bar()
    bar.add_task("class of [b]run[/i]", total=1, note="[/b]")
    with present.notes.capture() as captured:
        present.notes.print(bar.get_renderable())
        present.notes.print("[bold]class[/x] :car:")
    assert "class of [b]run[/i]" in captured.get()
    assert "[bold]class[/x] :car:" in captured.get()
