"""Epoch after epoch: train, validate, keep the best, write down where it stands."""

from __future__ import annotations

import math
import time
from dataclasses import replace

from torch import Tensor

from training.errors import TrainingError
from training.evaluation.metrics import logits_of, macro_f1_of, metrics_of
from training.fitting.fit import Fit
from training.fitting.state import State
from training.fitting.steps import Watch, train_epoch
from training.fitting.tensorboard import Logs
from training.photos.photos import Photos
from training.run import Epoch, Progress, write_epochs, write_weights
from training.settings.budget import is_spent, told_of_the_end


def fit_epochs(fit: Fit, photos: Photos, state: State, watch: Watch, logs: Logs) -> str | None:
    """What is left of the training; the best weights lie in the run folder, their logits in the state.

    Returns a sentence where `hours` ended it before its epochs did: the next one would have overrun them.
    Raises TrainingError where the validation loss is no number: no such weights are better than others.
    """
    best = max((line.top1 for line in state.epochs), default=None)
    latest = Progress("training", state.step, len(fit.batches), epochs=fit.config.epochs, top1=best)
    while not (state.has_ended(fit.config) or hours_are_spent(fit, state)):
        latest = train_epoch(fit, state, replace(latest, epoch=state.epoch, stage="training"), watch)
        began = time.monotonic()
        fit.world.share_statistics(fit.judged)
        logits = logits_of(fit.judged, photos.validation, fit.preprocessing, fit.device, fit.world)
        state.seconds += time.monotonic() - began
        line = _line(fit, state, latest, logits, photos.validation_labels)
        if not math.isfinite(line.loss):
            raise TrainingError(
                f"The validation loss is not a number in epoch {line.epoch}. Lower lr (it is {fit.config.lr}), or set"
                " clip_grad=1, or precision=fp32."
            )
        if better := state.judge(line, fit.config):
            state.best_logits = logits
        state.epochs.append(replace(line, best=better))
        latest = replace(latest, stage="scored", top1=line.top1, top3=line.top3)
        _begin_next(state)
        if fit.world.leads:
            if better:
                write_weights(fit.config.run, fit.judged.state_dict())
            write_epochs(fit.config.run, state.epochs)
            logs.epoch(state.epochs[-1])
        watch.save(state)
        watch.tell(latest)
    if state.has_ended(fit.config):
        return None
    return told_of_the_end(fit.config, state.spent_s, [line.seconds for line in state.epochs])


def hours_are_spent(fit: Fit, state: State) -> bool:
    """By the leading process's clock: every process must do as many epochs. An epoch that was begun is ended."""
    if fit.config.hours is None or state.step > 0:
        return False
    return fit.world.as_the_leader(is_spent(fit.config, state.spent_s, [line.seconds for line in state.epochs]))


def _begin_next(state: State) -> None:
    state.epoch, state.step, state.seconds = state.epoch + 1, 0, 0.0
    state.tallies.zero_()


def _line(fit: Fit, state: State, latest: Progress, logits: Tensor, labels: Tensor) -> Epoch:
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
