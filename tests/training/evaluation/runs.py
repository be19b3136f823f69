"""Finished runs to evaluate, made without a training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from training.data.listing import Split

CLASSES = ("amber", "jade", "slate")


def write_run(
    folder: Path, data: Path, *, seed: int = 0, test_from: int | None = None, classes: tuple[str, ...] = CLASSES,
    claim: dict[str, object] | None = None,
) -> Path:  # fmt: skip
    """A run whose validation photos are all of `data`; from the photo of that number on they are test photos."""
    import timm
    import torch
    from safetensors.torch import save_file

    from inference.archive.digest import file_sha256
    from training.data.listing import Listing, Photo, write_split
    from training.files import write_record
    from training.model.model_file import (
        DataFacts,
        Metrics,
        ModelFile,
        Preprocessing,
        Uncertainty,
        Weights,
    )

    folder.mkdir(parents=True)
    torch.manual_seed(seed)
    network = timm.create_model("test_resnet", num_classes=len(classes))
    save_file(network.state_dict(), folder / "model.safetensors")
    facts = ModelFile(
        architecture="test_resnet", model_args={}, classes=classes, temperature=0.5, git_commit=None, versions={},
        weights=Weights(file="model.safetensors", sha256=file_sha256(folder / "model.safetensors")),
        preprocessing=Preprocessing(
            input_size=(3, 32, 32), interpolation="bicubic", crop_pct=1.0, crop_mode="center",
            mean=(0.5, 0.5, 0.5), std=(0.1, 0.1, 0.1),
        ),
        uncertainty=Uncertainty(threshold=0.4, target_accuracy=0.95, coverage=0.5),
        data=DataFacts(fingerprint="0" * 64, train_images=1, validation_images=1),
        metrics=Metrics(top1=0.5, top3=1.0, loss=1.0), created_at="2026-11-21T00:00:00+00:00",
    )  # fmt: skip
    photos = []
    for path in sorted(data.rglob("*.png")):
        late = test_from is not None and int(path.stem) >= test_from
        split: Split = "test" if late else "validation"
        label = classes.index(path.parent.name)
        photos.append(Photo(path, path.relative_to(data).as_posix(), label, file_sha256(path), split))
    write_split(Listing(classes, tuple(photos)), folder / "split.csv")
    for name in ("config.yaml", "resolved.yaml"):
        (folder / name).write_text(yaml.safe_dump({"data": str(data), "claim": claim}))
    (folder / "metrics.jsonl").write_text("")
    write_record(facts, folder / "model.json")
    return folder
