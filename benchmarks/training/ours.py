"""Podium's own steps on real photos, as a process: the loop of `podium train`, without its validation.

python -m benchmarks.training.ours '{"data": "...", "run": "...", "model": "..."}'
"""

from __future__ import annotations

import json
import sys
import time

import torch

from benchmarks.training.gate import Gate, tell, wait_for
from training.data.listing import list_photos
from training.fitting.fit import make_fit
from training.fitting.freed_memory import keep_freed_memory
from training.fitting.state import TrainingState
from training.fitting.steps import Callbacks, train_epoch
from training.model.network import choose_device
from training.preparing.prepare import prepare
from training.processes import World
from training.run import TrainingProgress
from training.settings.config import make_config


def main() -> None:
    """Read the photos, print the resolved settings, and train as long as steps are requested."""
    settings = make_config(json.loads(sys.argv[1]))
    torch.set_num_threads(settings.threads or 1)
    world, device = World(), choose_device(settings.device)
    began = time.monotonic()
    reasons: list[str] = []
    prepared = prepare(settings, list_photos(settings), device, world, lambda _: None, reasons.append)
    if device.type == "cpu":
        keep_freed_memory()
    fit = make_fit(prepared.settings, prepared.network, prepared.preprocessing, prepared.photos, device, world)
    tell(
        {
            "config": prepared.settings.model_dump(mode="json"),
            "reasons": reasons,
            "reading_s": round(time.monotonic() - began, 1),
        }
    )
    state, gate = TrainingState.begin(device), Gate(wait_for(device))

    def after_a_step() -> bool:  # the loop calls this between two updates
        gate.step()
        return False

    callbacks = Callbacks(
        report=lambda _: None,
        stop_requested=after_a_step,
        save=lambda _: None,
        stop=lambda _: None,
        save_trained=lambda _: None,
        save_every_s=float("inf"),
    )
    gate.open()
    while True:
        train_epoch(fit, state, TrainingProgress("training", 0, len(fit.batches)), callbacks)
        state.epoch, state.step = state.epoch + 1, 0
        state.tallies.zero_()


if __name__ == "__main__":
    main()
