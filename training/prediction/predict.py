"""Predictions for photos, by the same steps as evaluation and the model server.

RUN or NAME.mar -> model; photos -> pixels (threads ahead) -> batches -> PhotoResult, one for every photo
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from inference.archive.errors import AGAIN, ModelRefused
from inference.archive.golden_pictures import GOLDEN_FILE, disagreement, read_golden
from inference.archive.packed import unpacked_data
from inference.images.reading import UnreadableImage
from training.data.s3 import AT_ONCE, SCHEME
from training.errors import WrongInput
from training.evaluation.figures import best_of
from training.evaluation.forward import EvalNetwork, batched, cores, read_ahead, torch_threads
from training.model.model_file import ModelFile, Preprocessing, whole_model_file
from training.model.network import choose_device, load_run, trained_network
from training.photos.pixels import evaluation_pixels
from training.prediction.sources import STDIN, Given, NotFetched, given_photos

NOT_FETCHED = "not_fetched"


@dataclass(frozen=True)
class Prediction:
    """One class and its calibrated probability, 0 to 1; in the pipeline's results it also has a rank."""

    label: str
    probability: float


@dataclass(frozen=True)
class PhotoResult:
    """The predictions for one photo, best first; if it could not be read there are none, and `code` and `reason` say why."""

    path: str
    predictions: tuple[Prediction, ...] = ()
    uncertain: bool = False  # under the model's threshold: a person should look
    code: str | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Model:
    """A trained model that is ready to predict."""

    facts: ModelFile
    network: EvalNetwork


def load_model(model: Path, device: str = "auto") -> Model:
    """The model of a run folder or of a `.mar`, read and checked as the server does; nothing in it is run or unpickled.

    Raises WrongInput if there is no model, or an archive that is refused, and TrainingError if a run folder is.
    """
    chosen = choose_device(device)
    if model.is_dir():
        network, facts = load_run(model)
        return Model(facts, EvalNetwork.of(network, facts.preprocessing, chosen))
    if not model.is_file():
        raise WrongInput(f"{model} does not exist. Give the folder of a finished run, or a .mar of `podium package`.")
    try:
        with unpacked_data(model) as folder:
            facts = whole_model_file(folder)
            ready = EvalNetwork.of(trained_network(folder), facts.preprocessing, chosen)
            _check_golden(ready, facts, folder)
    except ModelRefused as error:
        raise WrongInput(f"{model} cannot be used. {error}") from error
    return Model(facts, ready)


def predict(
    model: Path | Model, paths: Sequence[str | Path], *, top_k: int = 3, device: str = "auto"
) -> Iterator[PhotoResult]:
    """The `top_k` most likely classes of every photo, in order and in constant memory.

    `paths` are files, folders, patterns, s3://bucket/prefix, or `-` for names on standard input. A photo that cannot be
    read has a result with a reason. Raises WrongInput if a path names nothing or top_k is under 1.
    """
    if top_k < 1:
        raise WrongInput(f"top_k = {top_k}: ask for one class or more.")
    words = [str(path) for path in paths]
    photos = given_photos(words)
    ready = model if isinstance(model, Model) else load_model(model, device)
    waits = any(word == STDIN or word.startswith(SCHEME) for word in words)
    return _results(ready, photos, top_k, max(cores(), AT_ONCE) if waits else cores())


def predict_paths(model: Path, paths: Sequence[Path]) -> list[tuple[Prediction, ...]]:
    """The three most likely classes of every photo, best first (fewer if the model knows fewer).

    Raises inference's UnreadableImage for the first file that is no picture.
    """
    if not paths:
        return []
    ready = load_model(model, "cpu")
    pixels = [evaluation_pixels(path.read_bytes(), ready.facts.preprocessing) for path in paths]
    return [row for batch in batched(pixels) for row in _best(ready, torch.stack(batch), 3)]


def _results(model: Model, photos: Iterator[Given], top_k: int, threads: int) -> Iterator[PhotoResult]:
    read = read_ahead(photos, partial(_read, model.facts.preprocessing), threads=threads)
    for batch in batched(read):
        pixels = [seen for _, seen in batch if isinstance(seen, Tensor)]
        with torch_threads():
            found = iter(_best(model, torch.stack(pixels), top_k) if pixels else [])
        for name, seen in batch:
            if isinstance(seen, Tensor):
                best = next(found)
                yield PhotoResult(name, best, uncertain=best[0].probability < model.facts.uncertainty.threshold)
            else:
                yield PhotoResult(name, code=seen[0], reason=seen[1])


def _read(preprocessing: Preprocessing, photo: Given) -> tuple[str, Tensor | tuple[str, str]]:
    try:
        return photo.name, evaluation_pixels(photo.fetch(), preprocessing)
    except UnreadableImage as error:
        return photo.name, (error.code, error.reason)
    except NotFetched as error:
        return photo.name, (NOT_FETCHED, str(error))


def _best(model: Model, pixels: Tensor, top_k: int) -> list[tuple[Prediction, ...]]:
    logits = model.network.logits(pixels)
    best = best_of(logits, top_k)
    odds = (logits / model.facts.temperature).softmax(dim=1).gather(1, best)
    return [
        tuple(Prediction(model.facts.classes[index], value) for index, value in zip(indices, values, strict=True))
        for indices, values in zip(best.tolist(), odds.tolist(), strict=True)
    ]


def _check_golden(network: EvalNetwork, facts: ModelFile, folder: Path) -> None:
    """Raise ModelRefused if the network does not give the archive's golden predictions; the first archives had none."""
    if (folder / GOLDEN_FILE).exists():
        golden = read_golden(folder, facts.preprocessing.transform, len(facts.classes))
        pixels = np.stack([picture.pixels for picture in golden])
        logits = network.logits(torch.from_numpy(pixels).permute(0, 3, 1, 2))
        if problem := disagreement(logits.numpy(), golden, "torch-fp32"):
            raise ModelRefused(f"It is not what was packaged: {problem}", AGAIN)
