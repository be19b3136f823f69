"""Epoch after epoch: train, validate, keep the best weights, write metrics and a checkpoint."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from torch import Tensor

from training.evaluation.metrics import logits_of, macro_f1_of, metrics_of
from training.fitting.diverged import diverged
from training.fitting.fit import Fit
from training.fitting.state import TrainingState
from training.fitting.steps import Callbacks, train_epoch
from training.fitting.tensorboard import Logs
from training.photos.photos import Photos
from training.run import Epoch, TrainingProgress, write_epochs, write_weights


def fit_epochs(fit: Fit, photos: Photos, state: TrainingState, callbacks: Callbacks, logs: Logs) -> str | None:
    """Train the epochs that are left; the best weights lie in the run folder, their logits in the state.

    Returns a sentence if `hours` ended it before its epochs did: the next one would have overrun them.
    Raises TrainingError if the validation loss is not a number: no such weights are better than others.
    """
    best = max((line.top1 for line in state.epochs), default=None)
    latest = TrainingProgress("training", state.step, len(fit.batches), epochs=fit.settings.epochs, top1=best)
    while not (state.has_ended(fit.settings) or hours_are_spent(fit, state)):
        latest = train_epoch(fit, state, replace(latest, epoch=state.epoch, stage="training"), callbacks)
        with kept_if_it_fails(state, callbacks.save_trained):
            latest = _validate(fit, photos, state, latest, logs)
        callbacks.save(state)
        callbacks.report(latest)
    hours = fit.settings.hours
    if hours is None or state.has_ended(fit.settings):
        return None
    return ended_by_hours(hours, fit.settings.epochs, state.spent_s, [line.seconds for line in state.epochs])


@contextmanager
def kept_if_it_fails(state: TrainingState, save_trained: Callable[[TrainingState], None]) -> Iterator[None]:
    """Save the state as it is now if the block raises: an epoch's steps are not lost to what comes after them."""
    trained = replace(state, tallies=state.tallies.clone(), epochs=list(state.epochs))
    with ExitStack() as if_it_fails:
        if_it_fails.callback(save_trained, trained)
        yield
        if_it_fails.pop_all()


def _validate(fit: Fit, photos: Photos, state: TrainingState, latest: TrainingProgress, logs: Logs) -> TrainingProgress:
    """Measure an epoch whose steps are done, write what belongs to it, and begin the next one."""
    began = time.monotonic()
    fit.world.share_statistics(fit.kept_network)
    logits = logits_of(fit.kept_network, photos.validation, fit.preprocessing, fit.device, fit.world)
    state.seconds += time.monotonic() - began
    line = _line(fit, state, latest, logits, photos.validation_labels)
    if not math.isfinite(line.loss):
        raise diverged(f"The validation loss is not a number in epoch {line.epoch}", fit.settings)
    if better := state.record(line, fit.settings):
        state.best_logits = logits
    state.epochs.append(replace(line, best=better))
    _begin_next(state)
    if fit.world.leads:
        if better:
            write_weights(fit.settings.run, fit.kept_network.state_dict())
        write_epochs(fit.settings.run, state.epochs)
        logs.epoch(state.epochs[-1])
    return replace(latest, stage="scored", top1=line.top1, top3=line.top3)


def hours_are_spent(fit: Fit, state: TrainingState) -> bool:
    """By the leading process's clock: every process must train as many epochs. An epoch that has begun is finished."""
    hours = fit.settings.hours
    if hours is None or state.step > 0:
        return False
    return fit.world.as_the_leader(is_spent(hours, state.spent_s, [line.seconds for line in state.epochs]))


def is_spent(hours: float, spent_s: float, epochs_s: Sequence[float]) -> bool:
    """Whether another epoch, as long as the longest so far, would end after `hours`; the first one always fits."""
    return len(epochs_s) > 0 and spent_s + max(epochs_s) > hours * 3600


def ended_by_hours(hours: float, epochs: int, spent_s: float, epochs_s: Sequence[float]) -> str:
    """The sentence about a training that ends because its hours are spent."""
    return (
        f"It ends after epoch {len(epochs_s)} of {epochs}, by the clock: {spent_s / 3600:.3g} of hours = {hours:g} are"
        f" spent, and an epoch takes up to {max(epochs_s):.0f} s. The best weights so far are kept; the learning rate has"
        " not come down to its end. Give more hours, or fewer epochs."
    )


def _begin_next(state: TrainingState) -> None:
    state.epoch, state.step, state.seconds = state.epoch + 1, 0, 0.0
    state.tallies.zero_()


def _line(fit: Fit, state: TrainingState, latest: TrainingProgress, logits: Tensor, labels: Tensor) -> Epoch:
    loss, right, count = state.tallies.tolist()
    scores = metrics_of(logits, labels)
    return Epoch(
        epoch=state.epoch,
        train_loss=loss / count,
        train_top1=right / count,
        loss=scores.loss,
        top1=scores.top1,
        top3=scores.top3,
        macro_f1=macro_f1_of(logits, labels),
        lr=max(group["lr"] / group.get("lr_scale", 1.0) for group in fit.optimizer.param_groups),
        seconds=round(state.seconds, 2),
        images_per_s=round(latest.images_per_s, 1),
        best=False,
    )
