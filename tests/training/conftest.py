"""Photos to learn from, a finished run, and what goes into its archive. Collecting needs no torch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from training.run import Run
    from training.settings.config import TrainConfig
    from training.settings.settled import Settled

COLOURS = {"amber": (230, 150, 20), "jade": (20, 150, 90), "slate": (70, 80, 110)}


def write_photos(folder: Path, *, per_class: int = 6, size_px: int = 40, first: int = 0) -> Path:
    """A data set that any model learns: a folder per colour, with grain, so that no two files are equal."""
    for label, colour in COLOURS.items():
        (folder / label).mkdir(parents=True, exist_ok=True)
        for number in range(first, first + per_class):
            grain = np.random.default_rng([number, *colour]).integers(-20, 20, (size_px, size_px + 8, 3))
            pixels = np.clip(np.array(colour) + grain, 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / label / f"{number:03d}.png")
    return folder


def tiny_config(data: Path, run: Path, **changed: object) -> TrainConfig:
    """A training of seconds on one thread; `changed` replaces settings."""
    from training.settings.config import make_config

    values: dict[str, object] = {
        "data": data, "run": run, "model": "resnet10t", "model_args": {"channels": [8, 16, 24, 32], "stem_width": 8},
        "image_size": 32, "crop_pct": 1.0, "epochs": 2, "batch_size": 4, "lr": 0.003, "threads": 1,
        "tensorboard": False, "cache_dir": run.parent / "cache",
    }  # fmt: skip
    return make_config(values | changed)


def tiny_settled(data: Path, run: Path, **changed: object) -> Settled:
    """The same, as a training on one CPU settles it."""
    from training.settings.config import checked
    from training.settings.settled import Settled

    found: dict[str, object] = {"device": "cpu", "precision": "fp32", "workers": 0, "cache": "memory"}
    return checked(Settled, {**tiny_config(data, run).model_dump(), **found, **changed})


def timeless(run: Run) -> list[dict[str, object]]:
    """The lines of its epochs, without the times of a clock."""
    return [{**vars(line), "seconds": 0, "images_per_s": 0} for line in run.epochs]


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_photos(tmp_path_factory.mktemp("photos"))


@pytest.fixture(scope="session")
def finished(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that no test changes; `a_copy` is for those that do."""
    from training.fine_tune import train

    return train(tiny_config(photos, tmp_path_factory.mktemp("runs") / "run"))


@pytest.fixture
def a_copy(finished: Run, tmp_path: Path) -> Path:
    import shutil

    return Path(shutil.copytree(finished.folder, tmp_path / "copy"))


@pytest.fixture
def handler(tmp_path: Path) -> Path:
    """A handler and the reader's folder, as far as packing them goes."""
    path = tmp_path / "serving" / "handler.py"
    (path.parent / "inference" / "images").mkdir(parents=True)
    path.write_text("def handle(data, context):\n    return data\n")
    (path.parent / "inference" / "images" / "reading.py").write_text("MAX_PIXELS = 1\n")
    (path.parent / "model-config.yaml").write_text("batchSize: 8\nhandler:\n  engine: auto # or\n  precision: auto\n")
    return path


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Client]:
    """The empty bucket `photos`, in an S3 of this process."""
    import boto3
    from moto import mock_aws

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket="photos")
        yield client
