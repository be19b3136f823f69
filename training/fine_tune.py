"""A training: from a folder of photos to a run folder, and on from where it was interrupted.

list the photos -> prepare (network, settings, photos) -> fit the epochs -> temperature and threshold -> model.json
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch

from inference.archive.digest import file_sha256
from training.data.listing import list_photos, read_split
from training.errors import WrongInput
from training.evaluation.calibration import temperature_scale, uncertainty_threshold
from training.evaluation.metrics import metrics_of
from training.fitting import epochs as fitting
from training.fitting.checkpoint import read_checkpoint, write_checkpoint
from training.fitting.fit import Fit, make_fit
from training.fitting.freed_memory import keep_freed_memory
from training.fitting.preemption import preempted, stop_requests
from training.fitting.state import TrainingState
from training.fitting.steps import Callbacks
from training.fitting.tensorboard import Logs
from training.memory import memory_explained
from training.model.model_file import MODEL_FILE, WEIGHTS_FILE, DataFacts, ModelFile, Preprocessing, Weights
from training.model.network import choose_device, model_args_of
from training.model.unfinished import FOLDS_FILE, SETTLED_FILE, nothing_to_resume
from training.photos.photos import Photos
from training.preparing.auto import threads_of
from training.preparing.prepare import OnNote, OnProgress, Prepared, prepare, reprepare
from training.processes import World, joined
from training.run import Run, TrainingProgress, git_commit, held, utc_now, versions, write_end
from training.settings.config import TrainConfig
from training.settings.settled import Settled, read_settled

Checkpoint = tuple[dict[str, torch.Tensor], dict[str, Any]]


def train(config: TrainConfig, *, on_progress: OnProgress = lambda _: None, on_note: OnNote = lambda _: None) -> Run:
    """Fine-tune the configured model on the configured photos, and leave a complete run folder.

    The checkpoint that is kept is the best in `monitor` on the validation photos, then in the loss. On a CPU the same
    settings, data and threads give the same weights, bit for bit, also after `resume`. Raises WrongInput, TrainingError,
    and Preempted after SIGTERM; each with a sentence.
    """
    began = time.monotonic()
    with joined(config.device) as (world, device_name):
        device = choose_device(device_name)
        with _threads(threads_of(config)):
            notes = on_note if world.leads else lambda _: None  # the leading process passes them on for all
            listing = world.leader_first(partial(list_photos, config, on_note=notes))
            with memory_explained(f"batch_size = {config.batch_size}"):  # settling times the model by a few steps
                prepared = prepare(config, listing, device, world, on_progress, on_note)
            return _fit(prepared, world, None, began, on_progress, on_note)


def resume(folder: Path, *, on_progress: OnProgress = lambda _: None, on_note: OnNote = lambda _: None) -> Run:
    """Go on with an interrupted training, with its settings and its split, from its last checkpoint.

    Raises WrongInput if there is nothing to resume or the photos have changed, and what `train` raises.
    """
    began = time.monotonic()
    if (folder / MODEL_FILE).exists():
        raise WrongInput(f"{folder} holds a finished run: there is nothing to resume. Train into another folder.")
    if (folder / FOLDS_FILE).is_file():
        raise WrongInput(
            f"{folder} holds folds. Use `podium train --resume {shlex.quote(str(folder))}`, or training.kfold.resume_folds."
        )
    if not (folder / SETTLED_FILE).is_file():
        raise nothing_to_resume(folder)
    checkpoint = read_checkpoint(folder)
    settings = read_settled(folder / SETTLED_FILE, run=folder)
    with joined(settings.device) as (world, device_name):
        device = choose_device(device_name)
        with _threads(settings.threads):
            listing = read_split(folder / "split.csv", settings.data)
            prepared = reprepare(settings, listing, device, world, on_progress, begun=checkpoint is not None)
            on_note(
                "no checkpoint yet: it begins again"
                if checkpoint is None
                else f"going on in epoch {_epoch(checkpoint)}"
            )
            return _fit(prepared, world, checkpoint, began, on_progress, on_note)


def _epoch(checkpoint: Checkpoint) -> object:
    """The epoch that a checkpoint is in, as it says; whether it is one of this training, `Fit.load` finds out."""
    state = checkpoint[1].get("state")
    return state.get("epoch", "?") if isinstance(state, dict) else "?"


def _fit(
    prepared: Prepared,
    world: World,
    checkpoint: Checkpoint | None,
    began: float,
    on_progress: OnProgress,
    on_note: OnNote,
) -> Run:
    settings, photos = prepared.settings, prepared.photos
    _tune(prepared.device)
    with memory_explained(f"batch_size = {settings.batch_size}"):
        fit = make_fit(settings, prepared.network, prepared.preprocessing, photos, prepared.device, world)
        state = TrainingState.begin(prepared.device) if checkpoint is None else fit.load(*checkpoint)
        began -= state.spent_s
        ended_early = _fit_epochs(fit, photos, state, began, on_progress)
    if ended_early and world.leads:
        on_note(ended_early)
    world.wait()  # until the leading process has written the weights
    model = _describe(settings, prepared.preprocessing, photos, state.best_logits)
    run = Run(settings.run, model, tuple(state.epochs), prepared.set_aside, time.monotonic() - began)
    if world.leads:
        write_end(run)
    world.wait()
    return run


def _fit_epochs(fit: Fit, photos: Photos, state: TrainingState, began: float, on_progress: OnProgress) -> str | None:
    """Fit the epochs that are left, with logs and checkpoints; why they ended early, if they did."""
    settings = fit.settings
    logs = _open_logs(fit, state)

    def report(now: TrainingProgress) -> None:
        logs.progress(now)
        on_progress(now)

    def save(state: TrainingState) -> None:
        state.spent_s = time.monotonic() - began
        _save(fit, state)

    def save_trained(state: TrainingState) -> None:
        """Without the other processes, which may not have failed; the epoch's sums are those of all already."""
        state.spent_s = time.monotonic() - began
        if fit.world.leads:
            write_checkpoint(settings.run, *fit.tensors(state))

    def stop(state: TrainingState) -> None:
        save(state)
        raise preempted(settings.run, state.epoch, state.step)

    try:
        with stop_requests() as stop_requested, held(settings.run) if fit.world.leads else nullcontext():
            save_every_s = settings.checkpoint_minutes * 60
            callbacks = Callbacks(report, stop_requested, save, stop, save_trained, save_every_s=save_every_s)
            return fitting.fit_epochs(fit, photos, state, callbacks, logs)
    finally:
        logs.close()


def _open_logs(fit: Fit, state: TrainingState) -> Logs:
    """The leading process's curves, from the step on that comes next."""
    return Logs(
        fit.settings.run,
        wanted=fit.settings.tensorboard and fit.world.leads,
        first_epoch=state.epoch,
        first_step=(state.epoch - 1) * len(fit.batches) + state.step + 1,
    )


def _tune(device: torch.device) -> None:
    """Make the whole process faster; on a GPU as timm's train.py does: convolutions timed, products in TF32."""
    if device.type == "cpu":
        keep_freed_memory()
    elif device.type == "cuda":
        torch.backends.cudnn.benchmark = True
        torch.set_float32_matmul_precision("high")


def _save(fit: Fit, state: TrainingState) -> None:
    """The leading process writes the sums of all."""
    tensors, facts = fit.tensors(state)
    tensors["tallies"] = fit.world.add(state.tallies.clone())
    if fit.world.leads:
        write_checkpoint(fit.settings.run, tensors, facts)


def _describe(settings: Settled, preprocessing: Preprocessing, photos: Photos, logits: torch.Tensor) -> ModelFile:
    labels = photos.validation_labels
    temperature = temperature_scale(logits, labels)
    probabilities = (logits / temperature).softmax(dim=1)
    return ModelFile(
        architecture=settings.model,
        model_args=model_args_of(settings),
        weights=Weights(file=WEIGHTS_FILE, sha256=file_sha256(settings.run / WEIGHTS_FILE)),
        classes=photos.listing.classes,
        preprocessing=preprocessing,
        temperature=temperature,
        uncertainty=uncertainty_threshold(probabilities, labels, target_accuracy=settings.target_accuracy),
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


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """torch's threads wait for each other in busy loops: one without a core of its own stops them all.

    On two cores with other work on them, the demo took 59 s with one thread and 464 s with two.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
