"""A training from photos to a run folder."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.training.conftest import COLOURS, tiny_config, write_photos
from training.errors import TrainingError, WrongInput

if TYPE_CHECKING:
    from training.run import Run, TrainingProgress

pytestmark = pytest.mark.torch


def test_a_run_folder_is_complete(finished: Run) -> None:
    names = {path.name for path in finished.folder.iterdir()}
    assert names == {
        "config.yaml", "resolved.yaml", "split.csv", "metrics.jsonl", "results.csv", "metrics.json", "model.safetensors",
        "model.json", "checkpoints", ".lock",
    }  # fmt: skip
    assert len((finished.folder / "metrics.jsonl").read_text().splitlines()) == 2
    metrics = json.loads((finished.folder / "metrics.json").read_text())
    assert metrics["top1"] == max(epoch.top1 for epoch in finished.epochs)


def test_the_model_file_says_all_but_name_and_version(finished: Run) -> None:
    from inference.archive.digest import file_sha256

    facts = json.loads((finished.folder / "model.json").read_text())
    assert (facts.pop("name"), facts.pop("version")) == (None, None)
    assert all(value is not None for key, value in facts.items() if key != "git_commit")
    assert facts["schema_version"] == "1.0"
    assert facts["classes"] == sorted(COLOURS)
    assert facts["weights"]["sha256"] == file_sha256(finished.folder / "model.safetensors")
    assert facts["preprocessing"]["input_size"] == [3, 32, 32]
    assert facts["data"]["train_images"] + facts["data"]["validation_images"] == 18
    assert set(facts["versions"]) == {"python", "torch", "torchvision", "timm", "pillow"}
    assert set(facts["metrics"]) == {"top1", "top3", "loss"}


def test_a_tiny_model_learns_eight_images_by_heart(tmp_path: Path) -> None:
    """Patches of chance under two names: nothing but the pictures themselves can be learnt."""
    import numpy as np
    from PIL import Image

    from training.fine_tune import train

    for number in range(8):
        patches = np.random.default_rng(number).integers(0, 256, (4, 4, 3), dtype=np.uint8)
        for split in ("train", "validation"):
            folder = tmp_path / split / ("even", "odd")[number % 2]
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(patches).resize((32, 32)).save(folder / f"{number}.png")
    config = tiny_config(
        tmp_path, tmp_path / "run", model="test_vit", model_args={"img_size": 32}, epochs=40, batch_size=8,
        min_scale=1.0, horizontal_flip=0.0, label_smoothing=0.0, weight_decay=0.0,
    )  # fmt: skip
    run = train(config)
    assert (run.model.data.train_images, run.model.data.validation_images) == (8, 8)
    assert run.model.metrics.top1 == 1.0
    assert run.epochs[-1].train_loss < 0.1


def test_the_first_loss_is_that_of_a_guess(photos: Path, tmp_path: Path) -> None:
    """timm's MobileNets draw a head of few classes so wide that a training begins far from it."""
    from math import log

    import torch
    from torch.nn.functional import cross_entropy

    from training.model.network import create_network

    torch.manual_seed(0)
    network = create_network(tiny_config(photos, tmp_path, model="mobilenetv3_small_050", model_args={}), 3).eval()
    with torch.inference_mode():
        logits = network(torch.randn(6, 3, 32, 32))
    assert cross_entropy(logits, torch.arange(3).repeat(2)).item() == pytest.approx(log(3), abs=0.1)


def test_the_same_seed_on_one_thread_gives_the_same_weights(photos: Path, finished: Run, tmp_path: Path) -> None:
    from training.fine_tune import train

    again = train(tiny_config(photos, tmp_path / "again"))
    other = train(tiny_config(photos, tmp_path / "other", seed=1))
    assert again.model.weights.sha256 == finished.model.weights.sha256
    assert again.model.temperature == finished.model.temperature
    assert other.model.weights.sha256 != finished.model.weights.sha256


def test_a_cache_that_holds_nothing_changes_no_weight(photos: Path, finished: Run, tmp_path: Path) -> None:
    from training.fine_tune import train

    uncached = train(tiny_config(photos, tmp_path / "run", cache_mb=0))
    assert uncached.model.weights.sha256 == finished.model.weights.sha256


def test_unreadable_files_are_set_aside_before_the_first_epoch(tmp_path: Path) -> None:
    from training.fine_tune import train

    data = write_photos(tmp_path / "data")
    (data / "jade" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut short")
    (data / "amber" / "notes.txt").write_text("no picture")
    (data / "slate" / "empty.png").write_bytes(b"")
    run = train(tiny_config(data, tmp_path / "run", epochs=1))
    with (run.folder / "unreadable.csv").open(newline="") as file:
        rows = {row["path"]: row for row in csv.DictReader(file)}
    assert run.set_aside == 3
    assert set(rows) == {"jade/broken.jpg", "amber/notes.txt", "slate/empty.png"}
    assert rows["amber/notes.txt"]["code"] == "unsupported_format"
    assert all(row["reason"] for row in rows.values())
    assert run.model.data.train_images + run.model.data.validation_images == 18
    assert "broken" not in (run.folder / "split.csv").read_text()


def test_a_class_without_a_readable_photo_ends_the_training_in_a_sentence(tmp_path: Path) -> None:
    from training.fine_tune import train

    data = write_photos(tmp_path / "data")
    for path in (data / "jade").iterdir():
        path.write_bytes(b"")
    with pytest.raises(WrongInput, match="'jade' has no readable photo"):
        train(tiny_config(data, tmp_path / "run"))


def test_a_frozen_epoch_changes_the_head_and_nothing_else(photos: Path, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file
    from timm.utils.random import random_seed

    from training.fine_tune import train
    from training.model.network import create_network

    config = tiny_config(photos, tmp_path / "run", epochs=1, freeze_epochs=1)
    train(config)
    after = load_file(tmp_path / "run" / "model.safetensors")
    random_seed(config.seed)  # type: ignore[no-untyped-call]
    before = create_network(config, 3).state_dict()
    changed = {name for name, value in after.items() if not torch.equal(value, before[name])}
    assert changed == {"fc.weight", "fc.bias"}


@pytest.mark.parametrize(
    ("changed", "rate"),
    [
        ({}, 0.5),
        ({"dropout": 0.2}, 0.2),
        ({"dropout": 0.0}, 0.0),
        ({"model_args": {"drop_rate": 0.4}}, 0.4),
    ],
)
def test_dropout_is_the_setting_and_else_the_models_own(
    tmp_path: Path, changed: dict[str, object], rate: float
) -> None:
    from torch import nn

    from training.model.network import create_network

    network = create_network(tiny_config(tmp_path, tmp_path, **{"model": "plain_cnn", "model_args": {}, **changed}), 3)
    assert [module.p for module in network.modules() if isinstance(module, nn.Dropout)] == [rate]


def test_averaged_weights_are_the_ones_that_are_kept(photos: Path, finished: Run, tmp_path: Path) -> None:
    from training.fine_tune import train
    from training.model.network import load_run

    run = train(tiny_config(photos, tmp_path / "run", ema_decay=0.9))
    assert run.model.weights.sha256 != finished.model.weights.sha256
    assert load_run(run.folder)[1] == run.model


def test_pretrained_weights_come_from_a_file(photos: Path, finished: Run, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file

    from training.model.network import create_network

    weights = finished.folder / "model.safetensors"
    config = tiny_config(photos, tmp_path / "run", pretrained=str(weights))
    body = create_network(config, 7).state_dict()
    kept = load_file(weights)
    assert torch.equal(body["layer1.0.conv1.weight"], kept["layer1.0.conv1.weight"])
    assert body["fc.weight"].shape[0] == 7


def test_progress_reports_reading_then_every_epoch(photos: Path, tmp_path: Path) -> None:
    from training.fine_tune import train

    seen: list[TrainingProgress] = []
    run = train(tiny_config(photos, tmp_path / "run"), on_progress=seen.append)
    assert [now.step for now in seen if now.stage == "reading"] == list(range(1, 19))
    scored = [now for now in seen if now.stage == "scored"]
    assert [now.epoch for now in scored] == [1, 2]
    assert [now.top1 for now in scored] == [epoch.top1 for epoch in run.epochs]
    assert all(now.images_per_s > 0 and now.step == now.steps for now in scored)


def test_the_kept_checkpoint_is_the_best_by_top1_then_by_loss(finished: Run) -> None:
    best = max(finished.epochs, key=lambda epoch: (epoch.top1, -epoch.loss))
    assert finished.model.metrics.top1 == best.top1
    assert finished.model.metrics.loss == pytest.approx(best.loss)
    assert best.best


def test_a_run_folder_is_never_written_over(photos: Path, finished: Run) -> None:
    from training.fine_tune import train

    with pytest.raises(WrongInput, match="is not empty"):
        train(tiny_config(photos, finished.folder))


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"model": "resnet10"}, "Near names: .*resnet10t"),
        (
            {"model": "resnet50.nonsense", "model_args": {}},
            "has no weights 'resnet50.nonsense'. Near names: resnet50, resnet50\\.",
        ),
        ({"model_args": {"chanels": [1]}}, "resnet10t does not take it"),
        ({"pretrained": "nowhere.safetensors"}, "there is no such file"),
        ({"optimizer": "adamv"}, "'adamv'"),
        ({"device": "abacus"}, "device = 'abacus': this machine has none"),
        ({"device": "cuda:99"}, "device = 'cuda:99': this machine has none"),
    ],
)
def test_a_wrong_setting_ends_in_a_sentence_that_names_it(
    photos: Path, tmp_path: Path, changed: dict[str, object], sentence: str
) -> None:
    from training.fine_tune import train

    with pytest.raises(WrongInput, match=sentence):
        train(tiny_config(photos, tmp_path / "run", **changed))
    assert not (tmp_path / "run" / "model.json").exists()


def test_weights_that_do_not_fit_the_model_are_refused(photos: Path, finished: Run, tmp_path: Path) -> None:
    from training.fine_tune import train

    weights = str(finished.folder / "model.safetensors")
    with pytest.raises(WrongInput, match="do not fit resnet18"):
        train(tiny_config(photos, tmp_path / "run", model="resnet18", model_args={}, pretrained=weights))


def test_a_loss_that_is_no_number_ends_the_training_and_leaves_no_model_file(photos: Path, tmp_path: Path) -> None:
    from training.fine_tune import train

    with pytest.raises(TrainingError, match="Lower lr"):
        train(tiny_config(photos, tmp_path / "run", lr=1e30, optimizer="sgd", warmup_epochs=0, epochs=3))
    assert not (tmp_path / "run" / "model.json").exists()


def test_a_memory_that_does_not_hold_the_batch_ends_the_training_in_a_sentence(photos: Path, tmp_path: Path) -> None:
    import torch

    from training.fine_tune import train

    def run_out(now: TrainingProgress) -> None:
        if now.stage == "training":
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 TiB")

    with pytest.raises(TrainingError, match=r"does not hold batch_size = 4\. Halve it \(and double accumulate\)"):
        train(tiny_config(photos, tmp_path / "run"), on_progress=run_out)


def test_a_memory_that_does_not_hold_the_batch_is_an_error_before_the_first_epoch_too(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model's speed is measured first, on every GPU; the run folder is free for another try."""
    import torch

    from training.fine_tune import train

    def full(*_: object) -> float:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 TiB")

    config = tiny_config(photos, tmp_path / "run", hours=1)
    with monkeypatch.context() as patch:
        patch.setattr("training.preparing.settle.train_speed", full)
        with pytest.raises(TrainingError, match=r"does not hold batch_size = 4\. Halve it"):
            train(config)
    assert len(train(config).epochs) == 2


@pytest.mark.parametrize("monitor", ["loss", "top1"])
def test_a_validation_loss_that_is_no_number_ends_the_training_in_a_sentence(
    photos: Path, tmp_path: Path, monitor: str
) -> None:
    """One step: the training loss is that of before it."""
    from training.fine_tune import train

    config = tiny_config(
        photos, tmp_path / "run", monitor=monitor, lr=1e30, optimizer="sgd", warmup_epochs=0, epochs=1, batch_size=64
    )
    with pytest.raises(TrainingError, match="validation loss is not a number in epoch 1"):
        train(config)


def test_the_drawn_balls_train_with_the_tiny_recipe(tmp_path: Path) -> None:
    from training.demo import TINY, draw_demo
    from training.fine_tune import train

    seen: list[int] = []
    draw_demo(tmp_path / "balls", train_per_class=2, validation_per_class=1, on_image=lambda at: seen.append(at.done))
    run = train(
        TINY.model_copy(
            update={"data": str(tmp_path / "balls"), "cache_dir": tmp_path / "cache", "run": tmp_path / "run"}
        )
    )
    assert seen == list(range(1, 46))
    assert len(run.model.classes) == 15
    assert (run.model.data.train_images, run.model.data.validation_images) == (30, 15)
