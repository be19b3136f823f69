"""The measurement: for each model all trainers are started, then each has its turn, round after round."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.serving import machine
from benchmarks.training.process import TrainerEnded
from benchmarks.training.run import LIMIT, OURS, TIMM, Block, Run
from benchmarks.training.trainers import Own, Timms, Trainer
from training.settings.config import make_config

PATHS = {"data", "run", "cache_dir"}  # of this machine alone
UNTIMED = 1  # step of each block: the trainer stood still in it


@dataclass(frozen=True)
class Suite:
    """How every model of one run is measured."""

    run: Run
    settings: Mapping[str, Any]  # of TrainConfig
    classes: int
    script: Path | None
    scratch: Path
    warm: int
    steps: int
    rounds: int

    def measure(self, model: str) -> None:
        """Measure all rounds of one model; a trainer that cannot train it is left out, with the reason."""
        trainers: dict[str, Trainer] = {}
        try:
            self._start(model, trainers)
            for number in range(1, self.rounds + 1):
                for name, trainer in trainers.items():
                    self._block(model, name, trainer, number)
        except TrainerEnded as error:
            self._leave_out(model, error)
        finally:
            for trainer in trainers.values():
                trainer.process.end()

    def _start(self, model: str, trainers: dict[str, Trainer]) -> None:
        """Warm up one trainer after the other: the first steps choose algorithms and grow memory."""
        settings = make_config({**self.settings, "model": model, "run": self.scratch / "runs" / model})
        threads = {name: str(settings.threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
        ours = Own("ours", settings.model_dump(mode="json"), classes=self.classes, environment=threads)
        trainers[OURS] = ours
        facts = ours.answer()
        self.run.settled[model] = {**facts, "config": {k: v for k, v in facts["config"].items() if k not in PATHS}}
        self._warm(model, OURS, trainers)
        if self.script is not None:
            trainers[TIMM] = Timms(
                self.script, facts["config"], classes=self.classes, environment=threads, scratch=self.scratch
            )
            try:
                self._warm(model, TIMM, trainers)
            except TrainerEnded as error:
                trainers.pop(TIMM).process.end()
                self._leave_out(f"{model} with timm's train.py", error)
        trainers[LIMIT] = Own("limit", facts["config"], classes=self.classes, environment=threads)
        self._warm(model, LIMIT, trainers)

    def _warm(self, model: str, name: str, trainers: Mapping[str, Trainer]) -> None:
        trainers[name].block(self.warm, 1)
        say(f"{model}: {name} is warm")

    def _block(self, model: str, name: str, trainer: Trainer, number: int) -> None:
        before = machine.sample(trainer.process.watched)
        seconds = trainer.block(UNTIMED, self.steps)
        used = machine.usage(before, machine.sample(trainer.process.watched))
        speed = self.steps * int(self.settings["batch_size"]) / seconds
        self.run.blocks.append(
            Block(model, name, number, round(speed, 2), round(used.server, 2), round(used.others, 2))
        )
        say(f"{model}, round {number}: {name} {speed:.1f} images/s, {used.others:.2f} cores used by others")

    def _leave_out(self, what: str, error: TrainerEnded) -> None:
        self.run.skipped.append(f"{what}: {error}")
        say(f"{what} is left out: {error}")


def say(what: str) -> None:
    """Print a line on stderr, with the time."""
    print(time.strftime("%H:%M:%S"), what, file=sys.stderr, flush=True)  # noqa: T201
