"""The logits of every photo of a split: what all figures are counted from, and what the report is drawn from.

photos -> bytes, hash, pixels (threads ahead) -> batches -> logits -> scores.safetensors, photos.csv
"""

from __future__ import annotations

import csv
import hashlib
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from inference.archive.digest import matches_sha256
from inference.images.reading import UnreadableImage
from training.errors import TrainingError, WrongInput
from training.evaluation.forward import Judge, batched, cores, read_ahead, torch_threads
from training.evaluation.listed import Judged, photos_of_person, photos_of_run, place_of, resolve_split
from training.evaluation.records import Speed
from training.model.model_file import MODEL_FILE, WEIGHTS_FILE, ModelFile, Preprocessing, read_model_file
from training.model.network import choose_device, load_run
from training.photos.pixels import SetAside, evaluation_pixels, write_set_aside

SCORES_FILE, PHOTOS_FILE, UNREADABLE_FILE = "scores.safetensors", "photos.csv", "unreadable.csv"
OnProgress = Callable[[int, int], None]  # photos done, of how many


@dataclass(frozen=True)
class Scores:
    """What a model made of the photos that could be read."""

    split: str  # train, validation, test, or the place of the data that was given
    classes: tuple[str, ...]
    paths: tuple[str, ...]  # relative to the data
    files: tuple[str, ...]  # where they lay when they were judged
    digests: tuple[str, ...]  # sha256
    labels: Tensor  # (N,) int64
    logits: Tensor  # (N, C) float32
    set_aside: tuple[SetAside, ...]
    speed: Speed


@dataclass(frozen=True)
class _Seen:
    photo: Judged
    sha256: str
    pixels: Tensor | SetAside | None  # None: they were judged and let go


def score(
    run_folder: Path,
    split: str = "auto",
    *,
    data: str | Path | None = None,
    device: str = "auto",
    threads: int | None = None,
    on_progress: OnProgress = lambda _done, _total: None,
) -> Scores:
    """Judge a split of the run, or the photos in `data`: full precision, eval mode, the pre-processing of model.json.

    Unreadable files are set aside. Raises WrongInput where a photo of the split is gone or was changed since the
    training, where a class is unknown to the model, or where nothing can be read.
    """
    facts = checked_run(run_folder)
    if data is None:
        split = resolve_split(run_folder, split)
        photos = photos_of_run(run_folder, split, facts.classes)
    else:
        split, photos = place_of(str(data)), photos_of_person(str(data), facts.classes)
    network, _ = load_run(run_folder)
    judge = Judge.of(network, facts.preprocessing, choose_device(device))
    with torch_threads(threads) as count:
        return _stream(judge, photos, facts, split, count, on_progress)


def checked_run(run_folder: Path) -> ModelFile:
    """The run's record; TrainingError where its weights are missing, or are not the ones that it names."""
    facts = read_model_file(run_folder)
    weights = run_folder / WEIGHTS_FILE
    if not weights.is_file():
        raise TrainingError(f"{weights} is missing. Train again.")
    if not matches_sha256(weights, facts.weights.sha256):
        raise TrainingError(f"{weights} is not the file that {MODEL_FILE} names by its sha256. Train again.")
    return facts


def save(scores: Scores, folder: Path) -> None:
    """scores.safetensors, photos.csv and, where there is one to list, unreadable.csv; each whole or not at all."""
    unfinished = folder / f".{SCORES_FILE}.part"
    facts = {"split": scores.split, "classes": json.dumps(scores.classes), "speed": scores.speed.model_dump_json()}
    save_file({"logits": scores.logits.contiguous(), "labels": scores.labels}, unfinished, metadata=facts)
    unfinished.replace(folder / SCORES_FILE)
    rows = zip(scores.paths, scores.labels.tolist(), scores.digests, scores.files, strict=True)
    write_rows(
        folder / PHOTOS_FILE,
        ["path", "label", "sha256", "file"],
        ([path, scores.classes[label], digest, file] for path, label, digest, file in rows),
    )
    (folder / UNREADABLE_FILE).unlink(missing_ok=True)
    if scores.set_aside:
        write_set_aside(scores.set_aside, folder / UNREADABLE_FILE)


def load(folder: Path) -> Scores:
    """The scores in a folder that `save` wrote; TrainingError where there are none."""
    try:
        with safe_open(folder / SCORES_FILE, framework="pt") as opened:
            facts = opened.metadata()
            logits, labels = opened.get_tensor("logits"), opened.get_tensor("labels")
        with (folder / PHOTOS_FILE).open(newline="", encoding="utf-8", errors="surrogateescape") as file:
            rows = list(csv.DictReader(file))
    except (OSError, SafetensorError) as error:
        raise TrainingError(f"{folder} holds no scores ({error}). Evaluate again.") from error
    return Scores(
        split=facts["split"],
        classes=tuple(json.loads(facts["classes"])),
        paths=tuple(row["path"] for row in rows),
        files=tuple(row["file"] for row in rows),
        digests=tuple(row["sha256"] for row in rows),
        labels=labels,
        logits=logits,
        set_aside=_read_set_aside(folder / UNREADABLE_FILE),
        speed=Speed.model_validate_json(facts["speed"]),
    )


def write_rows(path: Path, header: list[str], rows: Iterable[list[object]]) -> None:
    """A CSV file that appears whole or not at all; names of files keep their bytes, also those that are no UTF-8."""
    unfinished = path.with_name(f".{path.name}.part")
    with unfinished.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
    unfinished.replace(path)


def _stream(
    judge: Judge, photos: list[Judged], facts: ModelFile, split: str, threads: int, on_progress: OnProgress
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
            parts.append(judge.logits(torch.stack(pixels)))
            kept += [_Seen(s.photo, s.sha256, None) for s in batch if isinstance(s.pixels, Tensor)]
            first = pixels[0] if first is None else first
        done += len(batch)
        on_progress(done, len(photos))
    seconds = time.monotonic() - began
    if first is None:
        raise WrongInput(f"None of the {len(photos)} photos of {split} can be read. Look at the files, or give others.")
    logits = torch.cat(parts)
    _check_finite(logits, kept)
    taken = judge.latencies_ms(first)
    return Scores(
        split=split,
        classes=facts.classes,
        paths=tuple(seen.photo.name for seen in kept),
        files=tuple(str(seen.photo.path.resolve()) for seen in kept),
        digests=tuple(seen.sha256 for seen in kept),
        labels=torch.tensor([seen.photo.label for seen in kept]),
        logits=logits,
        set_aside=tuple(set_aside),
        speed=Speed(
            images_per_s=round(len(kept) / max(seconds, 1e-9), 1),
            forward_ms_p50=round(taken.quantile(0.5).item(), 3),
            forward_ms_p99=round(taken.quantile(0.99).item(), 3),
            device=str(judge.device),
            threads=threads,
        ),
    )


def _see(preprocessing: Preprocessing, photo: Judged) -> _Seen:
    try:
        data = photo.path.read_bytes()
    except OSError as error:
        return _Seen(photo, "", SetAside(photo.name, "unreadable", f"The file cannot be opened ({error.strerror})."))
    digest = photo.sha256 or hashlib.sha256(data).hexdigest()
    try:
        return _Seen(photo, digest, evaluation_pixels(data, preprocessing))
    except UnreadableImage as error:
        return _Seen(photo, digest, SetAside(photo.name, error.code, error.reason))


def _check_finite(logits: Tensor, kept: list[_Seen]) -> None:
    odd = (~logits.isfinite().all(dim=1)).nonzero().flatten()
    if len(odd):
        raise TrainingError(
            f"The model's answer to {kept[int(odd[0])].photo.path} is no number, as to {len(odd)} of {len(logits)}"
            " photos: its weights are spoilt. Train again with a lower lr."
        )


def _read_set_aside(path: Path) -> tuple[SetAside, ...]:
    if not path.is_file():
        return ()
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        return tuple(SetAside(row["path"], row["code"], row["reason"]) for row in csv.DictReader(file))
