"""Every setting of the loop trains, and does what its name says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.training.conftest import tiny_config, tiny_settled, write_photos
from training.errors import WrongInput

pytestmark = pytest.mark.torch


@pytest.mark.parametrize(
    "changed",
    [
        {"optimizer": "sgd", "momentum": 0.8, "schedule": "step", "decay_epochs": 1},
        {"optimizer": "muon", "clip_grad": 1.0},
        {"optimizer": "lamb", "layer_decay": 0.7},
        {"schedule": "onecycle", "accumulate": 3},
        {"precision": "bf16"},
        {"precision": "fp16"},
        {"class_weights": "inverse", "sampler": "balanced"},
        {"class_weights": "effective", "focal_gamma": 2.0, "label_smoothing": 0.0},
        {"weight_decay": 100, "focal_gamma": 100, "hours": 10_000},
        {"optimizer": "sgd", "momentum": 0},
        {"pool": "max"},
        {"pool": "catavgmax"},
        {"freeze": "stages:1", "freeze_epochs": 1},
        {"freeze": "norm", "monitor": "loss", "early_stopping": 1},
        {"freeze": "body", "monitor": "macro_f1"},
        {"train_size": 24, "rotation": 15, "zoom": 0.1, "shift": 0.1, "vertical_flip": 0.5},
        {"rand_augment": "rand-m5-mstd0.5", "random_erasing": 0.5, "noise": 0.05},
        {"mixup": 0.2, "cutmix": 1.0, "mix_share": 0.5, "mix_off_epochs": 1},
        {"rotation": 15, "noise": 0.1, "random_erasing": 0.5, "cache": "device", "augment_off_epochs": 1},
        {"cache": "device", "brightness": 0.2, "contrast": 0.2, "saturation": 0.2},
        {"cache": "files", "workers": 1},
        {"model": "test_vit", "model_args": {}, "drop_path": 0.1, "dropout": 0.1, "layer_decay": 0.8},
        {"model": "plain_cnn", "model_args": {"widths": [8, 16], "repeats": 1, "dense": [16]}},
    ],
    ids=lambda changed: " ".join(f"{name}={value}" for name, value in changed.items() if name != "model_args"),
)
def test_it_trains_with(photos: Path, tmp_path: Path, changed: dict[str, object]) -> None:
    """From photos to a run that packaging takes: the weights fit the model that model.json describes."""
    from training.fine_tune import train
    from training.model.network import load_run

    run = train(tiny_config(photos, tmp_path / "run", **changed))
    assert all(line.train_loss > 0 and line.lr > 0 for line in run.epochs)
    assert load_run(run.folder)[1] == run.model


def test_a_model_of_one_size_is_built_for_the_pictures_and_takes_no_other_crops(photos: Path, tmp_path: Path) -> None:
    from training.fine_tune import train

    settings = {
        "model": "plain_cnn",
        "model_args": {"widths": [8], "repeats": 1, "dense": []},
        "image_size": 48,
        "epochs": 1,
    }
    assert train(tiny_config(photos, tmp_path / "run", **settings)).model.model_args["img_size"] == 48
    with pytest.raises(WrongInput, match="takes only one size"):
        train(tiny_config(photos, tmp_path / "other", **settings, train_size=32))


def test_gradients_that_are_added_up_are_those_of_the_larger_batch(photos: Path, tmp_path: Path) -> None:
    """With nothing drawn per batch and no batch norm in training mode, 2 x 2 photos and 4 photos make the same weights."""
    import torch
    from safetensors.torch import load_file

    from training.fine_tune import train

    still: dict[str, object] = {
        "freeze": "norm",
        "horizontal_flip": 0.0,
        "min_scale": 1.0,
        "max_aspect": 1.0,
        "epochs": 1,
        "validation_share": 0.34,
    }
    train(tiny_config(photos, tmp_path / "whole", **still, batch_size=4))
    train(tiny_config(photos, tmp_path / "parts", **still, batch_size=2, accumulate=2))
    whole, parts = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "parts"))
    for name, value in whole.items():
        torch.testing.assert_close(parts[name], value, atol=2e-5, rtol=1e-3, msg=name)


def test_the_body_may_learn_more_slowly_than_the_head(photos: Path, tmp_path: Path) -> None:
    from training.fitting.optimisation import create_optimizer, set_lr
    from training.model.network import create_network

    config = tiny_config(photos, tmp_path / "run", body_lr_scale=0.1)
    network = create_network(config, 3)
    optimizer = create_optimizer(network, config, lr=1.0)
    set_lr(optimizer, 0.5)
    rates = {id(parameter): group["lr"] for group in optimizer.param_groups for parameter in group["params"]}
    assert {name.split(".")[0]: rates[id(parameter)] for name, parameter in network.named_parameters()} == {
        "conv1": 0.05, "bn1": 0.05, "layer1": 0.05, "layer2": 0.05, "layer3": 0.05, "layer4": 0.05, "fc": 0.5,
    }  # fmt: skip


def test_it_ends_early_if_nothing_gets_better(photos: Path, tmp_path: Path) -> None:
    from training.fine_tune import train

    run = train(
        tiny_config(
            photos,
            tmp_path / "run",
            epochs=30,
            early_stopping=2,
            lr=1e-9,
            optimizer="sgd",
            schedule="constant",
            freeze="norm",
        )
    )
    assert len(run.epochs) < 30


def test_it_does_not_end_early_before_the_body_has_learnt(photos: Path, tmp_path: Path) -> None:
    """Nothing gets better while the head learns too slowly, and the patience is shorter than that."""
    from training.fine_tune import train

    settings = {"lr": 1e-9, "optimizer": "sgd", "schedule": "constant", "freeze": "norm"}
    run = train(tiny_config(photos, tmp_path / "run", **settings, epochs=30, early_stopping=1, freeze_epochs=6))
    assert not all(line.best for line in run.epochs[:6])
    assert 6 < len(run.epochs) < 30


def test_a_time_budget_becomes_epochs_with_a_reason(photos: Path, tmp_path: Path) -> None:
    import yaml

    from training.fine_tune import train

    notes: list[str] = []
    run = train(tiny_config(photos, tmp_path / "run", hours=1e-9, epochs=9), on_note=notes.append)
    assert len(run.epochs) == 1
    assert yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["epochs"] == 9
    assert yaml.safe_load((tmp_path / "run" / "resolved.yaml").read_text())["epochs"] == 1
    assert any(note.startswith("epochs = 1 (1e-09 hours hold 0 epochs") for note in notes)


def test_auto_becomes_a_number_and_resolved_yaml_says_why(photos: Path, tmp_path: Path) -> None:
    import yaml

    from training.fine_tune import train

    train(tiny_config(photos, tmp_path / "run", epochs=1, lr="auto", batch_size="auto", precision="auto"))
    text = (tmp_path / "run" / "resolved.yaml").read_text()
    values = yaml.safe_load(text)
    assert (values["batch_size"], values["precision"], values["device"]) == (32, "fp32", "cpu")
    assert values["lr"] == pytest.approx(5e-4 * 2 * 0.5**0.5)
    for key in ("lr", "batch_size", "precision", "cache"):
        assert f"\n{key}: " in text.split("# ", maxsplit=1)[1]
    assert "# auto: 5e-4 for 64 photos an update" in text


def test_a_test_split_is_frozen_and_never_decoded(tmp_path: Path) -> None:
    """Its files could not even be read: training looks at their hashes, and evaluate will find out."""
    import csv

    from training.fine_tune import train

    data = write_photos(tmp_path / "data" / "train")
    for label in ("amber", "jade"):
        (data.parent / "test" / label).mkdir(parents=True)
        (data.parent / "test" / label / "no-picture.png").write_bytes(label.encode())
    run = train(tiny_config(data.parent, tmp_path / "run", epochs=1))
    with (run.folder / "split.csv").open() as file:
        splits = [row["split"] for row in csv.DictReader(file)]
    assert splits.count("test") == run.model.data.test_images == 2
    assert run.set_aside == 0


def test_too_many_processes_for_too_few_photos_is_a_wrong_value(photos: Path, tmp_path: Path) -> None:
    import torch

    from training.data.listing import list_photos
    from training.fitting.fit import make_fit
    from training.model.network import create_network, preprocessing_of
    from training.photos.photos import read_photos
    from training.processes import World

    settings = tiny_settled(photos, tmp_path / "run", batch_size=8)
    network = create_network(settings, 3)
    preprocessing = preprocessing_of(network, settings)
    read = read_photos(list_photos(settings), settings, preprocessing, lambda: None)
    with pytest.raises(WrongInput, match="2 processes with batch_size = 8 want 16 photos a step"):
        make_fit(settings, network, preprocessing, read, torch.device("cpu"), World(0, 2))


def test_curves_are_written_for_tensorboard(photos: Path, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    from training.fine_tune import train

    run = train(tiny_config(photos, tmp_path / "run", tensorboard=True))
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    events.Reload()
    points = [event.value for event in events.Scalars("top1/validation")]
    assert points == pytest.approx([line.top1 for line in run.epochs])
