"""The logits of every photo of a split, from which figures and report are made.

photos -> bytes, hash, pixels (threads ahead) -> batches -> logits -> scores.safetensors, photos.csv
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from inference.images.reading import UnreadableImage
from training.data.audited import spelled
from training.data.tables import read_rows, write_rows
from training.errors import TrainingError, WrongInput, why
from training.evaluation.forward import EvalNetwork, batched, cores, read_ahead, torch_threads
from training.evaluation.listed import LabelledPhoto, photos_of_person, photos_of_run, place_of, resolve_split
from training.evaluation.records import Speed
from training.files import replacing
from training.model.model_file import ModelFile, Preprocessing
from training.model.network import choose_device, load_run
from training.photos.pixels import evaluation_pixels
from training.photos.set_aside import SetAside, read_set_aside, write_set_aside
from training.tensors_file import save_tensors

SCORES_FILE, PHOTOS_FILE = "scores.safetensors", "photos.csv"
OnProgress = Callable[[int, int], None]  # photos done, of how many


@dataclass(frozen=True)
class Scores:
    """The logits of a model for the photos that can be read."""

    split: str  # train, validation, test, or the place of a person's data
    classes: tuple[str, ...]
    paths: tuple[str, ...]  # relative to the data
    files: tuple[str, ...]  # whole paths
    digests: tuple[str, ...]  # sha256
    labels: Tensor  # (N,) int64
    logits: Tensor  # (N, C) float32
    set_aside: tuple[SetAside, ...]
    speed: Speed


@dataclass(frozen=True)
class _Seen:
    photo: LabelledPhoto
    sha256: str
    pixels: Tensor | SetAside | None  # None after the forward pass, to free memory


def score(
    run_folder: Path,
    split: str = "auto",
    *,
    data: str | Path | None = None,
    device: str = "auto",
    threads: int | None = None,
    on_progress: OnProgress = lambda _done, _total: None,
) -> Scores:
    """Logits for a split of the run, or for the photos in `data`: full precision, eval mode, model.json's pre-processing.

    Unreadable files are set aside. Raises WrongInput if a photo of the split is gone or was changed since the training,
    if a class is unknown to the model, or if no photo can be read; TrainingError if it is no finished run.
    """
    network, facts = load_run(run_folder)
    if data is None:
        split = resolve_split(run_folder, split)
        photos = photos_of_run(run_folder, split, facts.classes)
    else:
        split, photos = place_of(str(data)), photos_of_person(str(data), facts.classes)
    ready = EvalNetwork.of(network, facts.preprocessing, choose_device(device))
    with torch_threads(threads) as count:
        return _stream(ready, photos, facts, split, count, on_progress)


def save(scores: Scores, folder: Path) -> None:
    """Write scores.safetensors, photos.csv and, if files were set aside, unreadable.csv; each whole or not at all."""
    facts = {"split": scores.split, "classes": json.dumps(scores.classes), "speed": scores.speed.model_dump_json()}
    with replacing(folder / SCORES_FILE) as draft:
        save_tensors({"logits": scores.logits.contiguous(), "labels": scores.labels}, draft, facts)
    rows = zip(scores.paths, scores.labels.tolist(), scores.digests, scores.files, strict=True)
    write_rows(
        folder / PHOTOS_FILE,
        ["path", "label", "sha256", "file"],
        ([path, scores.classes[label], digest, file] for path, label, digest, file in rows),
        exact=True,
    )
    write_set_aside(scores.set_aside, folder)


def load(folder: Path) -> Scores:
    """The scores in a folder that `save` wrote; TrainingError if there are none."""
    try:
        with safe_open(folder / SCORES_FILE, framework="pt") as opened:
            facts = opened.metadata()
            logits, labels = opened.get_tensor("logits"), opened.get_tensor("labels")
        rows = read_rows(folder / PHOTOS_FILE)
    except (OSError, SafetensorError) as error:
        what = why(error) if isinstance(error, OSError) else f"{SCORES_FILE} is damaged"
        raise TrainingError(f"{folder} holds no scores ({what}). Evaluate again.") from error
    return Scores(
        split=facts["split"],
        classes=tuple(json.loads(facts["classes"])),
        paths=tuple(row["path"] for row in rows),
        files=tuple(row["file"] for row in rows),
        digests=tuple(row["sha256"] for row in rows),
        labels=labels,
        logits=logits,
        set_aside=read_set_aside(folder),
        speed=Speed.model_validate_json(facts["speed"]),
    )


def _stream(
    network: EvalNetwork,
    photos: list[LabelledPhoto],
    facts: ModelFile,
    split: str,
    threads: int,
    on_progress: OnProgress,
) -> Scores:
    began = time.monotonic()
    kept: list[_Seen] = []
    parts: list[Tensor] = []
    set_aside: list[SetAside] = []
    first: Tensor | None = None
    done = 0
    for batch in batched(read_ahead(photos, partial(_see, facts.preprocessing), threads=cores())):
        pixels = [seen.pixels for seen in batch if isinstance(seen.pixels, Tensor)]
        set_aside += [seen.pixels for seen in batch if isinstance(seen.pixels, SetAside)]
        if pixels:
            parts.append(network.logits(torch.stack(pixels)))
            kept += [_Seen(s.photo, s.sha256, None) for s in batch if isinstance(s.pixels, Tensor)]
            first = pixels[0] if first is None else first
        done += len(batch)
        on_progress(done, len(photos))
    seconds = time.monotonic() - began
    if first is None:
        raise WrongInput(
            f"None of the photos of {split} ({len(photos)}) can be read. Look at the files, or give others."
        )
    logits = torch.cat(parts)
    _check_finite(logits, kept)
    return Scores(
        split=split,
        classes=facts.classes,
        paths=tuple(seen.photo.name for seen in kept),
        files=tuple(str(seen.photo.path.resolve()) for seen in kept),
        digests=tuple(seen.sha256 for seen in kept),
        labels=torch.tensor([seen.photo.label for seen in kept]),
        logits=logits,
        set_aside=tuple(set_aside),
        speed=_speed(network, first, len(kept) / max(seconds, 1e-9), threads),
    )


def _speed(network: EvalNetwork, pixels: Tensor, images_per_s: float, threads: int) -> Speed:
    """The speed of reading and forward pass together, and the time of the forward pass alone, of one image (3, H, W)."""
    taken = network.latencies_ms(pixels)
    return Speed(
        images_per_s=round(images_per_s, 1),
        forward_ms_p50=round(taken.quantile(0.5).item(), 3),
        forward_ms_p99=round(taken.quantile(0.99).item(), 3),
        device=str(network.device),
        threads=threads,
    )


def _see(preprocessing: Preprocessing, photo: LabelledPhoto) -> _Seen:
    try:
        data = photo.path.read_bytes()
    except OSError as error:
        return _Seen(
            photo, "", SetAside(spelled(photo.name), "unreadable", f"The file cannot be opened ({error.strerror}).")
        )
    digest = photo.sha256 or hashlib.sha256(data).hexdigest()
    try:
        return _Seen(photo, digest, evaluation_pixels(data, preprocessing))
    except UnreadableImage as error:
        return _Seen(photo, digest, SetAside(spelled(photo.name), error.code, error.reason))


def _check_finite(logits: Tensor, kept: list[_Seen]) -> None:
    odd = (~logits.isfinite().all(dim=1)).nonzero().flatten()
    if len(odd):
        raise TrainingError(
            f"The model's answer to {kept[int(odd[0])].photo.path} is no number, as to {len(odd)} of {len(logits)}"
            " photos: its weights are spoilt. Train again with a lower lr."
        )
