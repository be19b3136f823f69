"""A training: from a folder of photos to a run folder, and on from where it was interrupted.

listing -> network, settings, photos (preparing) -> epochs (fitting) -> temperature and threshold -> model.json
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch

from inference.archive.digest import file_sha256
from training.data.listing import list_photos, read_split
from training.errors import TrainingError, WrongInput
from training.evaluation.calibration import temperature_scale, uncertainty_threshold
from training.evaluation.metrics import metrics_of
from training.fitting import epochs as fitting
from training.fitting.checkpoint import VERSION, read_checkpoint, write_checkpoint
from training.fitting.fit import Fit, make_fit
from training.fitting.freed_memory import keep_freed_memory
from training.fitting.preemption import preempted, stop_requests
from training.fitting.preparing import OnNote, OnProgress, Prepared, prepare, reprepare
from training.fitting.state import State
from training.fitting.steps import Watch
from training.fitting.tensorboard import Logs
from training.model.model_file import MODEL_FILE, WEIGHTS_FILE, DataFacts, ModelFile, Preprocessing, Weights
from training.model.network import choose_device, model_args_of
from training.photos.photos import Photos
from training.processes import World, joined
from training.run import FOLDS_FILE, Progress, Run, git_commit, held, utc_now, versions, write_end
from training.settings.auto import default_threads
from training.settings.config import TrainConfig, read_config

Checkpoint = tuple[dict[str, torch.Tensor], dict[str, Any]]


def train(config: TrainConfig, *, on_progress: OnProgress = lambda _: None, on_note: OnNote = lambda _: None) -> Run:
    """Fine-tune the configured model on the configured photos, and leave a complete run folder.

    The checkpoint that is kept is the best in `monitor` on the validation photos, then in the loss. On a CPU the same
    settings, data and threads give the same weights, bit for bit, also after `resume`. Raises WrongInput, TrainingError,
    and Preempted where SIGTERM asked it to stop; each with a sentence.
    """
    began = time.monotonic()
    with joined(config.device) as (world, device_name):
        device = choose_device(device_name)
        with _threads(config.threads):
            listing = world.leader_first(partial(list_photos, config, on_note=on_note if world.leads else _unsaid))
            with _memory_explained(config.batch_size):  # its speed is measured by a few steps
                prepared = prepare(config, listing, device, world, on_progress, on_note)
            return _fit(prepared, world, None, began, on_progress, on_note)


def resume(folder: Path, *, on_progress: OnProgress = lambda _: None, on_note: OnNote = lambda _: None) -> Run:
    """Go on with an interrupted training as if it had never been: same settings, same split, from its last checkpoint.

    Raises WrongInput where there is nothing to resume or the photos have changed, and what `train` raises.
    """
    began = time.monotonic()
    if (folder / MODEL_FILE).exists():
        raise WrongInput(f"{folder} holds a finished run: there is nothing to resume. Train into another folder.")
    if (folder / FOLDS_FILE).is_file():
        raise WrongInput(f"{folder} holds folds. Use `podium train --resume {folder}`, or training.kfold.resume_folds.")
    if not (folder / "resolved.yaml").is_file():
        raise WrongInput(f"{folder} holds no training that has begun. Start one: podium train DATA run={folder}")
    found = read_checkpoint(folder)
    config = _as_it_began(read_config(folder / "resolved.yaml").model_copy(update={"run": folder}), found)
    with joined(config.device) as (world, device_name):
        device = choose_device(device_name)
        with _threads(config.threads):
            listing = read_split(folder / "split.csv", config.data)
            prepared = reprepare(config, listing, device, world, on_progress)
            on_note(
                "no checkpoint yet: it begins anew"
                if found is None
                else f"going on in epoch {found[1]['state']['epoch']}"
            )
            return _fit(prepared, world, found, began, on_progress, on_note)


def _fit(
    prepared: Prepared,
    world: World,
    found: Checkpoint | None,
    began: float,
    on_progress: OnProgress,
    on_note: OnNote,
) -> Run:
    config, photos = prepared.config, prepared.photos
    _settle(prepared.device)
    fit = make_fit(
        config, prepared.network, prepared.preprocessing, photos, prepared.device, world, version=_version(found)
    )
    state = State.begin(prepared.device) if found is None else fit.load(*found)
    began -= state.spent_s
    logs = _open_logs(fit, state)

    def tell(now: Progress) -> None:
        logs.progress(now)
        on_progress(now)

    def save(state: State) -> None:
        state.spent_s = time.monotonic() - began
        _save(fit, state)

    def stop(state: State) -> None:
        save(state)
        raise preempted(config.run, state.epoch, state.step)

    try:
        with (
            stop_requests() as stop_asked,
            held(config.run) if world.leads else nullcontext(),
            _memory_explained(config.batch_size),
        ):
            watch = Watch(
                tell=tell, stop_asked=stop_asked, save=save, stop=stop, save_every_s=config.checkpoint_minutes * 60
            )
            told = fitting.fit_epochs(fit, photos, state, watch, logs)
    finally:
        logs.close()
    if told and world.leads:
        on_note(told)
    world.wait()  # until the leading process has written the weights
    model = _describe(config, prepared.preprocessing, photos, state.best_logits)
    run = Run(config.run, model, tuple(state.epochs), prepared.set_aside, time.monotonic() - began)
    if world.leads:
        write_end(run)
    world.wait()
    return run


def _open_logs(fit: Fit, state: State) -> Logs:
    """The leading process's curves, from the step on that comes next."""
    return Logs(
        fit.config.run,
        wanted=fit.config.tensorboard and fit.world.leads,
        first_epoch=state.epoch,
        first_step=(state.epoch - 1) * len(fit.batches) + state.step + 1,
    )


@contextmanager
def _memory_explained(batch_size: object) -> Iterator[None]:
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise TrainingError(
            f"The GPU's memory does not hold batch_size = {batch_size}. Halve it (and double accumulate)."
        ) from error


def _version(found: Checkpoint | None) -> int:
    """Of what the settings mean; the first checkpoints did not say it."""
    return VERSION if found is None else int(found[1].get("version", 1))


def _as_it_began(config: TrainConfig, found: Checkpoint | None) -> TrainConfig:
    """The settings in today's words: a dropout of 0 once left it to the model."""
    if _version(found) == 1 and config.dropout == 0:
        return config.model_copy(update={"dropout": None})
    return config


def _settle(device: torch.device) -> None:
    """What the whole process does for speed, as timm's train.py does on a GPU: convolutions timed, products in TF32."""
    if device.type == "cpu":
        keep_freed_memory()
    elif device.type == "cuda":
        torch.backends.cudnn.benchmark = True
        torch.set_float32_matmul_precision("high")


def _save(fit: Fit, state: State) -> None:
    """The leading process writes the sums of all."""
    tensors, facts = fit.tensors(state)
    tensors["tallies"] = fit.world.add(state.tallies.clone())
    if fit.world.leads:
        write_checkpoint(fit.config.run, tensors, facts)


def _describe(config: TrainConfig, preprocessing: Preprocessing, photos: Photos, logits: torch.Tensor) -> ModelFile:
    labels = photos.validation_labels
    temperature = temperature_scale(logits, labels)
    probabilities = (logits / temperature).softmax(dim=1)
    return ModelFile(
        architecture=config.model,
        model_args=model_args_of(config),
        weights=Weights(file=WEIGHTS_FILE, sha256=file_sha256(config.run / WEIGHTS_FILE)),
        classes=photos.listing.classes,
        preprocessing=preprocessing,
        temperature=temperature,
        uncertainty=uncertainty_threshold(probabilities, labels, target_accuracy=config.target_accuracy),
        data=DataFacts(
            fingerprint=photos.listing.fingerprint,
            train_images=len(photos.training),
            validation_images=len(labels),
            test_images=len(photos.listing.of("test")),
        ),
        metrics=metrics_of(logits, labels),
        versions=versions(),
        git_commit=git_commit(),
        created_at=utc_now(),
    )


def _unsaid(_: str) -> None:
    """What the leading process has said already."""


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    """torch's threads wait for each other in busy loops: one without a core of its own stops them all.

    On two cores with other work on them, the demo took 59 s with one thread and 464 s with two.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(count or default_threads())
    try:
        yield
    finally:
        torch.set_num_threads(before)
