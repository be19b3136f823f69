"""One epoch of steps. No step waits for the device: sums stay there and are read every REPORT_EVERY steps."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from training.augment.mixing import Mixing
from training.fitting.diverged import diverged
from training.fitting.fit import Fit
from training.fitting.freezing import set_learning
from training.fitting.optimisation import set_lr
from training.fitting.order import generator_of, seed_of
from training.fitting.state import TrainingState
from training.model.network import DTYPES
from training.photos.pixels import memory_format, normalise
from training.run import TrainingProgress

REPORT_EVERY = 10  # steps between two readings of the sums: each waits for the device


@dataclass
class Callbacks:
    """Functions that the steps call, to report, to save and to stop."""

    report: Callable[[TrainingProgress], None]
    stop_requested: Callable[[], bool]
    save: Callable[[TrainingState], None]
    stop: Callable[[TrainingState], None]
    save_trained: Callable[[TrainingState], None]  # an epoch whose steps are done; every process calls it for itself
    save_every_s: float
    saved_at: float = field(default_factory=time.monotonic)


def train_epoch(fit: Fit, state: TrainingState, latest: TrainingProgress, callbacks: Callbacks) -> TrainingProgress:
    """The rest of `state.epoch`, step by step; leaves the epoch's sums, of all processes, in `state.tallies`."""
    set_learning(fit.network, fit.settings.freeze_in(state.epoch))
    began, before_s, first = time.monotonic(), state.seconds, state.step
    steps = len(fit.batches)
    mixing = fit.mixing(state.epoch)
    seen = 0
    for step, (pixels, labels) in enumerate(fit.batches.epoch(state.epoch, state.step), start=first + 1):
        _step(fit, state, mixing, pixels, labels, step, steps)
        seen += len(labels) * fit.world.size
        state.step, state.seconds = step, before_s + time.monotonic() - began
        reports = step % REPORT_EVERY == 0 or step == steps
        if reports:
            loss, _, count = fit.world.add(state.tallies.clone()).tolist()
            if not math.isfinite(loss):
                raise diverged(f"The loss is no number after step {step}", fit.settings)
            speed = seen / max(time.monotonic() - began, 1e-9)
            latest = replace(latest, step=step, images_per_s=speed, loss=loss / count)
            callbacks.report(latest)
        if (reports or fit.world.size == 1) and _ends_update(fit, step, steps):
            _save_or_stop(fit, state, callbacks)
    state.tallies = fit.world.add(state.tallies)
    loss, _, count = state.tallies.tolist()
    return replace(latest, step=steps, loss=loss / count)  # also if a checkpoint stood at the epoch's very end


def _step(
    fit: Fit, state: TrainingState, mixing: Mixing, pixels: Tensor, labels: Tensor, step: int, steps: int
) -> None:
    settings = fit.settings
    torch.manual_seed(seed_of(settings.seed, state.epoch, step, fit.world.rank, 4))  # of dropout and stochastic depth
    images = normalise(pixels, fit.preprocessing).contiguous(memory_format=memory_format(fit.device))
    draws = generator_of(settings.seed, state.epoch, step, fit.world.rank, 5)
    images, targets = mixing(images, labels, draws)
    with torch.autocast(fit.device.type, DTYPES[settings.precision], enabled=settings.precision != "fp32"):
        logits = fit.forward(images)
    logits = logits.float()
    loss = fit.loss_of(logits, targets)
    share = min(
        settings.accumulate, steps - (step - 1) // settings.accumulate * settings.accumulate
    )  # of the update's steps
    fit.scaler.scale(loss / share).backward()
    right = (logits.detach().argmax(dim=1) == labels).sum()
    count = torch.full((), len(labels), device=fit.device)
    state.tallies += torch.stack([loss.detach() * count, right.float(), count])
    if _ends_update(fit, step, steps):
        _update(fit, state)


def _update(fit: Fit, state: TrainingState) -> None:
    settings = fit.settings
    set_lr(fit.optimizer, settings.lr * fit.schedule.scale(state.update, decays=state.decays))
    if settings.clip_grad is not None:
        fit.scaler.unscale_(fit.optimizer)
        torch.nn.utils.clip_grad_norm_(fit.network.parameters(), settings.clip_grad)
    fit.scaler.step(fit.optimizer)
    fit.scaler.update()
    fit.optimizer.zero_grad(set_to_none=True)
    state.update += 1
    if fit.average is not None:
        fit.average.update(fit.network, step=state.update)


def _ends_update(fit: Fit, step: int, steps: int) -> bool:
    return step % fit.settings.accumulate == 0 or step == steps


def _save_or_stop(fit: Fit, state: TrainingState, callbacks: Callbacks) -> None:
    """Only between two updates: gradients that were added up are not saved."""
    if fit.world.any(callbacks.stop_requested(), fit.device):
        callbacks.stop(state)
    if fit.world.any(time.monotonic() - callbacks.saved_at >= callbacks.save_every_s, fit.device):
        callbacks.saved_at = time.monotonic()
        callbacks.save(state)
