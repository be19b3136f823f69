"""Run folders with an evaluation, made without a training: photos that are drawn here, predictions that a test chooses."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from torch import Tensor

    from training.model.model_file import ModelFile

COLOURS = ("amber", "jade", "slate")
EPOCHS = (
    {"epoch": 1, "train_loss": 1.2, "loss": 0.9, "top1": 0.6, "top3": 1.0, "lr": 0.003, "images_per_s": 90.0, "train_top1": 0.5, "best": True},
    {"epoch": 2, "train_loss": 0.8, "loss": 0.7, "top1": 0.8, "top3": 1.0, "lr": 0.001, "images_per_s": 95.0, "best": True},
    {"epoch": 3, "train_loss": 0.7, "loss": 0.8, "top1": 0.7, "top3": 1.0, "lr": 0.0001, "images_per_s": 94.0, "best": False},
)  # fmt: skip


def write_photo(path: Path, number: int, size_px: int = 40) -> str:
    """A photo that no other number has; its sha256."""
    path.parent.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(number)
    pixels = random.integers(60, 200, 3) + random.integers(-20, 20, (size_px, size_px + 8, 3))
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(path)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def made_run(
    folder: Path,
    *,
    classes: Sequence[str] = COLOURS,
    per_class: int = 4,
    wrong: float = 0.25,
    split: str = "validation",
    seed: int = 0,
    config: dict[str, Any] | None = None,
) -> Path:
    """RUN/ and RUN/evaluation/SPLIT/ of a tiny model; `wrong` is the share of predictions that are."""
    import torch

    from training.evaluation.evaluate import count
    from training.evaluation.listed import evaluation_folder
    from training.evaluation.records import Speed
    from training.evaluation.scores import Scores, save

    run, data = folder / "run", folder / "photos"
    run.mkdir(parents=True)
    facts = _write_model(run, classes)
    labels = [label for label in range(len(classes)) for _ in range(per_class)]
    names = [f"{number:04d}.png" for number in range(len(labels))]
    digests = [write_photo(data / name, number) for number, name in enumerate(names)]
    rows = [
        f"{split},{json.dumps(classes[label])},{name},{sha}"
        for label, name, sha in zip(labels, names, digests, strict=True)
    ]
    rows += [
        f"train,{json.dumps(label)},train/{label and number}.png,{number:064x}" for number, label in enumerate(classes)
    ]
    (run / "split.csv").write_text(
        "\n".join(["split,label,path,sha256", *(row.replace('\\"', '""') for row in rows)]) + "\n"
    )
    (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in EPOCHS))
    settings = {
        "data": str(data),
        "run": str(run),
        "model": "resnet10t",
        "image_size": 32,
        "epochs": 3,
        **(config or {}),
    }
    for name in ("config.yaml", "resolved.yaml"):
        (run / name).write_text(json.dumps(settings))
    scores = Scores(
        split=split,
        classes=tuple(classes),
        paths=tuple(names),
        files=tuple(str(data / name) for name in names),
        digests=tuple(digests),
        labels=torch.tensor(labels),
        logits=_answers(labels, len(classes), wrong, seed),
        set_aside=(),
        speed=Speed(images_per_s=100.0, forward_ms_p50=2.0, forward_ms_p99=3.0, device="cpu", threads=1),
    )
    folder = evaluation_folder(run, split)
    folder.mkdir(parents=True)
    save(scores, folder)
    evaluation = count(scores, facts, run, f"podium evaluate {run} --split {split}")
    fixed = evaluation.model_copy(update={"machine": "a test machine", "evaluated_at": "2026-11-21T00:00:00+00:00"})
    (folder / "evaluation.json").write_text(fixed.model_dump_json())
    return run


def _answers(labels: Sequence[int], classes: int, wrong: float, seed: int) -> Tensor:
    import torch

    random = np.random.default_rng(seed)
    logits = random.normal(0, 0.5, (len(labels), classes))
    for photo, label in enumerate(labels):
        missed = random.random() < wrong
        logits[photo, (label + 1) % classes if missed else label] += 3
    return torch.from_numpy(logits).float()


def _write_model(run: Path, classes: Sequence[str]) -> ModelFile:
    import timm
    import torch
    from safetensors.torch import save_file

    from inference.archive.digest import file_sha256
    from training.model.model_file import ModelFile

    arguments: dict[str, Any] = {"channels": [8, 16, 24, 32], "stem_width": 8}
    torch.manual_seed(0)
    network = timm.create_model("resnet10t", num_classes=len(classes), **arguments)
    save_file(network.state_dict(), run / "model.safetensors")
    facts = ModelFile.model_validate(
        {
            "architecture": "resnet10t",
            "model_args": arguments,
            "weights": {"file": "model.safetensors", "sha256": file_sha256(run / "model.safetensors")},
            "classes": tuple(classes),
            "preprocessing": {
                "input_size": (3, 32, 32), "interpolation": "bicubic", "crop_pct": 1.0, "crop_mode": "center",
                "mean": (0.5, 0.5, 0.5), "std": (0.25, 0.25, 0.25),
            },
            "temperature": 0.8,
            "uncertainty": {"threshold": 0.6, "target_accuracy": 0.9, "coverage": 0.7},
            "data": {"fingerprint": "f" * 64, "train_images": len(classes), "validation_images": 12},
            "metrics": {"top1": 0.75, "top3": 1.0, "loss": 0.7},
            "versions": {"python": "3.13.0", "torch": "2.15.0"},
            "git_commit": None,
            "created_at": "2026-11-21T00:00:00+00:00",
        }
    )  # fmt: skip
    (run / "model.json").write_text(facts.model_dump_json(indent=1))
    return facts
