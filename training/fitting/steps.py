"""One epoch of steps. Nothing in a step waits for the device: sums stay there and are read every REPORT_EVERY steps."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from training.augment.mixing import Mixing
from training.errors import TrainingError
from training.fitting.fit import Fit
from training.fitting.freezing import set_learning
from training.fitting.optimisation import set_lr
from training.fitting.order import generator_of, seed_of
from training.fitting.state import State
from training.photos.pixels import memory_format, normalise
from training.run import Progress

REPORT_EVERY = 10  # steps between two looks at the sums: each look waits for the device


class Watch:
    """What the steps tell, and whom they ask whether to save or to stop."""

    def __init__(
        self,
        *,
        tell: Callable[[Progress], None],
        stop_asked: Callable[[], bool],
        save: Callable[[State], None],
        stop: Callable[[State], None],
        save_every_s: float,
    ) -> None:
        self.tell, self.stop_asked, self.save, self.stop = tell, stop_asked, save, stop
        self.save_every_s = save_every_s
        self.saved_at = time.monotonic()


def train_epoch(fit: Fit, state: State, latest: Progress, watch: Watch) -> Progress:
    """The rest of `state.epoch`, step by step; leaves the epoch's sums, of all processes, in `state.tallies`."""
    set_learning(fit.network, fit.config, epoch=state.epoch)
    began, before_s, first = time.monotonic(), state.seconds, state.step
    steps = len(fit.batches)
    mixing = fit.mixing(state.epoch)
    seen = 0
    for step, (pixels, labels) in enumerate(fit.batches.epoch(state.epoch, state.step), start=first + 1):
        _step(fit, state, mixing, pixels, labels, step, steps)
        seen += len(labels) * fit.world.size
        state.step, state.seconds = step, before_s + time.monotonic() - began
        looks = step % REPORT_EVERY == 0 or step == steps
        if looks:
            loss, _, count = fit.world.add(state.tallies.clone()).tolist()
            if not math.isfinite(loss):
                raise TrainingError(f"The loss is no number after step {step}. Lower lr (it is {fit.config.lr}).")
            speed = seen / max(time.monotonic() - began, 1e-9)
            latest = replace(latest, step=step, images_per_s=speed, loss=loss / count)
            watch.tell(latest)
        if (looks or fit.world.size == 1) and _ends_update(fit, step, steps):
            _save_or_stop(fit, state, watch)
    state.tallies = fit.world.add(state.tallies)
    loss, _, count = state.tallies.tolist()
    return replace(latest, step=steps, loss=loss / count)  # also where a checkpoint stood at the epoch's very end


def _step(fit: Fit, state: State, mixing: Mixing, pixels: Tensor, labels: Tensor, step: int, steps: int) -> None:
    config = fit.config
    torch.manual_seed(seed_of(config.seed, state.epoch, step, fit.world.rank, 4))  # of dropout and stochastic depth
    images = normalise(pixels, fit.preprocessing).contiguous(memory_format=memory_format(fit.device))
    draws = generator_of(config.seed, state.epoch, step, fit.world.rank, 5)
    images, targets = mixing(images, labels, draws)
    with torch.autocast(fit.device.type, fit.dtype, enabled=fit.dtype != torch.float32):
        logits = fit.forward(images)
    logits = logits.float()
    loss = fit.loss_of(logits, targets)
    share = min(config.accumulate, steps - (step - 1) // config.accumulate * config.accumulate)  # of the update's steps
    fit.scaler.scale(loss / share).backward()
    right = (logits.detach().argmax(dim=1) == labels).sum()
    count = torch.full((), len(labels), device=fit.device)
    state.tallies += torch.stack([loss.detach() * count, right.float(), count])
    if _ends_update(fit, step, steps):
        _update(fit, state)


def _update(fit: Fit, state: State) -> None:
    config = fit.config
    assert not isinstance(config.lr, str)
    set_lr(fit.optimizer, config.lr * fit.schedule.scale(state.update, decays=state.decays))
    if config.clip_grad is not None:
        fit.scaler.unscale_(fit.optimizer)
        torch.nn.utils.clip_grad_norm_(fit.network.parameters(), config.clip_grad)
    fit.scaler.step(fit.optimizer)
    fit.scaler.update()
    fit.optimizer.zero_grad(set_to_none=True)
    state.update += 1
    if fit.average is not None:
        fit.average.update(fit.network, step=state.update)


def _ends_update(fit: Fit, step: int, steps: int) -> bool:
    return step % fit.config.accumulate == 0 or step == steps


def _save_or_stop(fit: Fit, state: State, watch: Watch) -> None:
    """Only between two updates: gradients that were added up are not saved."""
    if fit.world.any(watch.stop_asked(), fit.device):
        watch.stop(state)
    if fit.world.any(time.monotonic() - watch.saved_at >= watch.save_every_s, fit.device):
        watch.saved_at = time.monotonic()
        watch.save(state)
