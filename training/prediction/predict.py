"""What a model makes of photos: the same steps that evaluation takes and that the model server takes.

RUN or NAME.mar -> model; photos -> pixels (threads ahead) -> batches -> Prediction, one for every photo
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import timm
import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load as load_weights
from torch import Tensor

from inference.images.reading import UnreadableImage
from training.errors import TrainingError, WrongInput
from training.evaluation.figures import best_of
from training.evaluation.forward import Judge, batched, cores, read_ahead, torch_threads
from training.evaluation.scores import checked_run
from training.model.model_file import MODEL_FILE, ModelFile, Preprocessing
from training.model.network import choose_device, load_run
from training.photos.pixels import evaluation_pixels
from training.prediction.sources import S3, S3_CONNECTIONS, STDIN, Given, NotFetched, given_photos

NOT_FETCHED = "not_fetched"


@dataclass(frozen=True)
class Answer:
    """One class and its calibrated probability, 0 to 1."""

    label: str
    probability: float


@dataclass(frozen=True)
class Prediction:
    """What the model says of one photo, best first; without answers, `code` and `reason` say why there are none."""

    path: str
    answers: tuple[Answer, ...] = ()
    uncertain: bool = False  # under the model's threshold: a person should look
    code: str | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Model:
    """A trained model that is ready to answer."""

    facts: ModelFile
    judge: Judge


def load_model(model: Path, device: str = "auto") -> Model:
    """The model of a run folder, or of a `.mar`, checked against the sha256 in its model.json; nothing is unpickled.

    Raises WrongInput where there is no model, and TrainingError where it is not whole.
    """
    where = choose_device(device)
    if model.is_dir():
        checked_run(model)
        network, facts = load_run(model)
    elif model.is_file():
        network, facts = _from_archive(model)
    else:
        raise WrongInput(f"{model} does not exist. Give the folder of a finished run, or a .mar of `podium package`.")
    return Model(facts, Judge.of(network, facts.preprocessing, where))


def predict(
    model: Path | Model, paths: Sequence[str | Path], *, top_k: int = 3, device: str = "auto"
) -> Iterator[Prediction]:
    """The `top_k` most likely classes of every photo, in order, in constant memory, however many there are.

    `paths` are files, folders, patterns, s3://bucket/prefix, or `-` for names on standard input. What cannot be read is
    a Prediction with a reason. Raises WrongInput where a path names nothing or top_k is under 1.
    """
    if top_k < 1:
        raise WrongInput(f"top_k = {top_k}: ask for one class or more.")
    words = [str(path) for path in paths]
    photos = given_photos(words)
    ready = model if isinstance(model, Model) else load_model(model, device)
    waits = any(word == STDIN or word.startswith(S3) for word in words)
    return _answers(ready, photos, top_k, max(cores(), S3_CONNECTIONS) if waits else cores())


def predict_paths(model: Path, paths: Sequence[Path]) -> list[tuple[Answer, ...]]:
    """The three most likely classes of every photo, best first (fewer where the model knows fewer).

    Raises inference's UnreadableImage over the first file that is no picture.
    """
    if not paths:
        return []
    ready = load_model(model, "cpu")
    pixels = [evaluation_pixels(path.read_bytes(), ready.facts.preprocessing) for path in paths]
    return [row for batch in batched(pixels) for row in _best(ready, torch.stack(batch), 3)]


def _answers(model: Model, photos: Iterator[Given], top_k: int, threads: int) -> Iterator[Prediction]:
    looked = read_ahead(photos, partial(_look, model.facts.preprocessing), threads=threads)
    for batch in batched(looked):
        pixels = [seen for _, seen in batch if isinstance(seen, Tensor)]
        with torch_threads():
            found = iter(_best(model, torch.stack(pixels), top_k) if pixels else [])
        for name, seen in batch:
            if isinstance(seen, Tensor):
                best = next(found)
                yield Prediction(name, best, uncertain=best[0].probability < model.facts.uncertainty.threshold)
            else:
                yield Prediction(name, code=seen[0], reason=seen[1])


def _look(preprocessing: Preprocessing, photo: Given) -> tuple[str, Tensor | tuple[str, str]]:
    try:
        return photo.name, evaluation_pixels(photo.fetch(), preprocessing)
    except UnreadableImage as error:
        return photo.name, (error.code, error.reason)
    except NotFetched as error:
        return photo.name, (NOT_FETCHED, str(error))


def _best(model: Model, pixels: Tensor, top_k: int) -> list[tuple[Answer, ...]]:
    logits = model.judge.logits(pixels)
    best = best_of(logits, top_k)
    odds = (logits / model.facts.temperature).softmax(dim=1).gather(1, best)
    return [
        tuple(Answer(model.facts.classes[index], value) for index, value in zip(indices, values, strict=True))
        for indices, values in zip(best.tolist(), odds.tolist(), strict=True)
    ]


def _from_archive(archive: Path) -> tuple[torch.nn.Module, ModelFile]:
    try:
        with zipfile.ZipFile(archive) as opened:
            facts = ModelFile.model_validate_json(opened.read(MODEL_FILE))
            weights = opened.read(facts.weights.file)
    except (zipfile.BadZipFile, KeyError, ValidationError) as error:
        raise WrongInput(
            f"{archive} is no Podium archive ({error}). Package a run again with `podium package`."
        ) from error
    if hashlib.sha256(weights).hexdigest() != facts.weights.sha256:
        raise TrainingError(f"{facts.weights.file} in {archive} is not what {MODEL_FILE} names. Package the run again.")
    network = timm.create_model(facts.architecture, num_classes=len(facts.classes), **facts.model_args)
    try:
        network.load_state_dict(load_weights(weights), strict=True)
    except (SafetensorError, RuntimeError) as error:
        raise TrainingError(
            f"The weights in {archive} do not fit {facts.architecture}. Package the run again."
        ) from error
    return network, facts
