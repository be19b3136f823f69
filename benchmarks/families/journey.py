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
import torch
from PIL import Image
from torch.nn.modules.batchnorm import _BatchNorm

from inference.archive.digest import file_sha256
from inference.heat_map import NotExplainable
from podium.archives import package_run
from podium.errors import ConsoleError
from podium.project import ROOT
from training.errors import TrainingError
from training.evaluation.evaluate import evaluate
from training.files import write_atomically
from training.fine_tune import train
from training.model.heads import head_names
from training.model.model_file import MODEL_FILE, WEIGHTS_FILE, Weights
from training.model.network import load_run
from training.packaging.engines import Engine
from training.photos.pixels import evaluation_pixels, normalise
from training.prediction.predict import predict
from training.report.heat import heat_of
from training.run import write_weights
from training.settings.config import TrainConfig

CLASSES = {"amber": (230, 150, 20), "jade": (20, 150, 90), "slate": (70, 80, 110)}
COLDEST = 1e-3  # temperature: what float32 rounds off a logit must stay far below SAME
SAME = 1e-4  # largest difference between a probability of `predict` and of the server


@dataclass(frozen=True)
class Journey:
    """How far a model came; None where it did not get."""

    trained: bool = False
    apart: float | None = None  # largest difference between two photos' probabilities of a class, by `predict`
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
        tell_apart(config)
        evaluate(config.run, device="cpu")
        facts["trained"] = True
        facts["explained"] = _explained(config)
        predicted = _predicted(config)
        facts["apart"] = max(
            max(column) - min(column) for column in zip(*(one.values() for one in predicted), strict=True)
        )
        facts["served"] = _difference(config, "torch", predicted)
    except (TrainingError, ConsoleError) as error:
        return Journey(**facts, refused=str(error), seconds=round(time.monotonic() - began, 1))
    if openvino:
        try:
            facts["openvino"] = _difference(config, "openvino", predicted)
        except (TrainingError, ConsoleError) as error:
            facts["no_openvino"] = str(error)
    return Journey(**facts, seconds=round(time.monotonic() - began, 1))


def tell_apart(config: TrainConfig) -> None:
    """Give the batch norms of a run the statistics of its photos, and its logits a mean and a temperature by which they differ.

    After one step from random weights many networks answer every photo alike, and then any server would agree with them.
    """
    network, facts = load_run(config.run)
    pixels = [evaluation_pixels(path.read_bytes(), facts.preprocessing) for path in _photos(config)]
    images = normalise(torch.stack(pixels), facts.preprocessing)
    for module in network.modules():
        if isinstance(module, _BatchNorm):
            module.reset_running_stats()
            module.momentum = None  # the mean of all batches, here of one
    with torch.no_grad():
        network.train()(images)
        logits = network.eval()(images)
        parameters = dict(network.named_parameters())
        for name in head_names(network):
            if parameters[name].shape == logits[0].shape:
                parameters[name].sub_(logits.mean(dim=0))
        spread = logits.std(dim=0).mean().item()
    write_weights(config.run, network.state_dict())
    weights = Weights(file=WEIGHTS_FILE, sha256=file_sha256(config.run / WEIGHTS_FILE))
    told = facts.model_copy(update={"weights": weights, "temperature": min(max(spread, COLDEST), 20.0)})
    write_atomically(told.model_dump_json(), config.run / MODEL_FILE)


def _photos(config: TrainConfig) -> list[Path]:
    return sorted(Path(config.data).rglob("*.png"))


def _explained(config: TrainConfig) -> bool:
    """Whether Grad-CAM finds places that count; NotExplainable is the sentence that a person reads instead."""
    network, facts = load_run(config.run)
    photo = _photos(config)[0].read_bytes()
    images = normalise(evaluation_pixels(photo, facts.preprocessing)[None], facts.preprocessing)
    try:
        heat_of(network, images, [0])
    except NotExplainable:
        return False
    return True


def _predicted(config: TrainConfig) -> list[dict[str, float]]:
    """The probability of each class by `podium predict`, for every photo; the classes in one order."""
    found = predict(config.run, _photos(config), device="cpu")
    return [dict(sorted((it.label, it.probability) for it in one.predictions)) for one in found]


def _difference(config: TrainConfig, engine: Engine, predicted: list[dict[str, float]]) -> float:
    """The largest difference between the server's probabilities and those of `predict`, over all photos."""
    out = config.run / engine
    archive = package_run(config.run, name="model", version="1.0", out=out, engine=engine)
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(out / "unpacked")
    served = _served(out / "unpacked", engine, _photos(config))
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
