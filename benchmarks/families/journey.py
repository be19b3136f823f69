"""One model's way through the product: a step of training, evaluation, archive, server, prediction.

config -> run -> evaluation -> archive (torch, and OpenVINO) -> the server's handler -> the same probabilities as `predict`
"""

from __future__ import annotations

import json
import sys
import time
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from inference.heat_map import NotExplainable
from podium.archives import package_run
from podium.errors import ConsoleError
from podium.project import ROOT
from training.errors import TrainingError
from training.evaluation.evaluate import evaluate
from training.fine_tune import train
from training.model.network import load_run
from training.photos.pixels import evaluation_pixels, normalise
from training.prediction.predict import predict
from training.report.heat import heat_of
from training.settings.config import TrainConfig

CLASSES = {"amber": (230, 150, 20), "jade": (20, 150, 90), "slate": (70, 80, 110)}
SAME = 1e-4  # largest difference between a probability of `predict` and of the server


@dataclass(frozen=True)
class Journey:
    """How far a model came; None where it did not get."""

    trained: bool = False
    served: float | None = None  # largest difference from `predict`, by torch
    openvino: float | None = None  # the same, by OpenVINO
    explained: bool = False  # by Grad-CAM
    refused: str | None = None  # the sentence at which it ended
    no_openvino: str | None = None  # the sentence at which the export ended
    seconds: float = 0.0


def settings(data: Path, scratch: Path) -> dict[str, object]:
    """A training of one step on one thread."""
    return {
        "data": data, "run": scratch / "run", "epochs": 1, "batch_size": 3, "threads": 1, "device": "cpu",
        "validation_share": 0.5, "tensorboard": False, "cache_dir": scratch / "cache", "lr": 1e-3, "workers": 0,
    }  # fmt: skip


def write_photos(folder: Path) -> Path:
    """Two grained photos of each of three colours."""
    for label, colour in CLASSES.items():
        (folder / label).mkdir(parents=True)
        for number in range(2):
            grain = np.random.default_rng([number, *colour]).integers(-60, 60, (90, 120, 3))
            Image.fromarray(np.clip(np.array(colour) + grain, 0, 255).astype(np.uint8)).save(
                folder / label / f"{number}.png"
            )
    return folder


def travel(config: TrainConfig, *, openvino: bool) -> Journey:
    """Train, evaluate, package, serve and predict; the first sentence ends it."""
    began = time.monotonic()
    facts: dict[str, Any] = {}
    try:
        train(config)
        evaluate(config.run, device="cpu")
        facts["trained"] = True
        facts["explained"] = _explained(config)
        facts["served"] = _difference(config, "torch")
    except (TrainingError, ConsoleError) as error:
        return Journey(**facts, refused=str(error), seconds=round(time.monotonic() - began, 1))
    if openvino:
        try:
            facts["openvino"] = _difference(config, "openvino")
        except (TrainingError, ConsoleError) as error:
            facts["no_openvino"] = str(error)
    return Journey(**facts, seconds=round(time.monotonic() - began, 1))


def _explained(config: TrainConfig) -> bool:
    """Whether Grad-CAM finds places that count; NotExplainable is the sentence that a person reads instead."""
    network, facts = load_run(config.run)
    photo = next(Path(config.data).rglob("*.png")).read_bytes()
    images = normalise(evaluation_pixels(photo, facts.preprocessing)[None], facts.preprocessing)
    try:
        heat_of(network, images, [0])
    except NotExplainable:
        return False
    return True


def _difference(config: TrainConfig, engine: Any) -> float:  # noqa: ANN401 - one of training's engines
    """The largest difference between the server's probabilities and those of `predict`, over all photos."""
    photos = sorted(Path(config.data).rglob("*.png"))
    out = config.run / engine
    archive = package_run(config.run, name="model", version="1.0", out=out, engine=engine)
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(out / "unpacked")
    served = _served(out / "unpacked", engine, photos)
    predicted = [
        {it.label: it.probability for it in one.predictions} for one in predict(config.run, photos, device="cpu")
    ]
    return max(abs(one[label] - other[label]) for one, other in zip(served, predicted, strict=True) for label in other)


def _served(folder: Path, engine: str, photos: list[Path]) -> list[dict[str, float]]:
    sys.path.insert(0, str(ROOT / "model_server"))  # as TorchServe does
    from handler import PodiumHandler  # noqa: PLC0415

    handler = PodiumHandler()
    handler.initialize(Worker(folder, {"engine": engine, "precision": "fp32"}))
    loaded = handler.classifier.facts
    if loaded["engine"] != f"{engine}-fp32":
        raise TrainingError(str(loaded.get("engine_fallback")))
    bodies = [handler.handle([{"body": photo.read_bytes()}], Worker(folder, {}))[0] for photo in photos]
    return [{it["label"]: it["probability"] for it in json.loads(body)["predictions"]} for body in bodies]


@dataclass
class Worker:
    """What TorchServe hands to the handler, as far as the handler uses it."""

    folder: Path
    settings: Mapping[str, object]
    metrics: None = None
    statuses: dict[int, int] = field(default_factory=dict)

    @property
    def system_properties(self) -> Mapping[str, object]:
        """Where the archive lies; there is no GPU."""
        return {"model_dir": str(self.folder), "gpu_id": None}

    @property
    def model_yaml_config(self) -> Mapping[str, object]:
        """The content of model-config.yaml."""
        return {"handler": self.settings}

    def get_all_request_header(self, idx: int) -> Mapping[str, object]:  # noqa: ARG002 - TorchServe's signature
        """No headers."""
        return {}

    def set_response_status(self, code: int, phrase: str, idx: int) -> None:  # noqa: ARG002 - TorchServe's signature
        """Kept, to be looked at."""
        self.statuses[idx] = code

    def set_response_header(self, idx: int, key: str, value: str) -> None:
        """Not looked at."""
