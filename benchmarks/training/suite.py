"""The measurement: for each model all trainers are started, then each has its turn, round after round."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.serving import machine
from benchmarks.training.process import TrainerEnded
from benchmarks.training.run import LIMIT, OURS, TIMM, Block, Run
from benchmarks.training.trainers import Own, Timms
from training.config import make_config

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
        """All rounds of one model; a trainer that cannot train it is left out, with the reason."""
        trainers: dict[str, Own | Timms] = {}
        config = self._config(model)
        try:
            for name in (OURS, TIMM, LIMIT):
                if name != TIMM or self.script is not None:
                    self._start(name, config, trainers)
            for number in range(1, self.rounds + 1):
                for name, trainer in list(trainers.items()):
                    self._block(model, name, trainer, number)
        except TrainerEnded as error:
            self._leave_out(model, error)
        finally:
            for trainer in trainers.values():
                trainer.process.end()

    def _start(self, name: str, config: Mapping[str, Any], trainers: dict[str, Own | Timms]) -> None:
        trainers[name] = self._timms(config, trainers[OURS]) if name == TIMM else self._own(name, config)
        try:
            trainers[name].block(self.warm, 1)  # the first steps choose algorithms and grow memory
        except TrainerEnded as error:
            if name != TIMM:
                raise
            trainers.pop(name).process.end()
            self._leave_out(f"{config['model']}, timm", error)
            return
        say(f"{config['model']}: {name} is warm")

    def _own(self, name: str, config: Mapping[str, Any]) -> Own:
        own = Own(name, config, classes=self.classes, environment=_environment(config), scratch=self.scratch)
        if name == OURS:
            self.run.reading[str(config["model"])] = own.facts
        return own

    def _timms(self, config: Mapping[str, Any], ours: Own | Timms) -> Timms:
        assert isinstance(ours, Own)
        assert self.script is not None
        return Timms(
            self.script,
            config,
            ours.facts,
            classes=self.classes,
            environment=_environment(config),
            scratch=self.scratch,
        )

    def _block(self, model: str, name: str, trainer: Own | Timms, number: int) -> None:
        before = machine.sample(trainer.process.watched)
        seconds = trainer.block(UNTIMED, self.steps)
        used = machine.usage(before, machine.sample(trainer.process.watched))
        speed = self.steps * trainer.batch_size / seconds
        self.run.blocks.append(
            Block(model, name, number, round(speed, 2), round(used.server, 2), round(used.others, 2))
        )
        say(f"{model}, round {number}: {name} {speed:.1f} images/s, {used.others:.2f} cores used by others")

    def _leave_out(self, what: str, error: TrainerEnded) -> None:
        self.run.skipped.append(f"{what}: {error}")
        say(f"{what} is left out: {error}")

    def _config(self, model: str) -> dict[str, Any]:
        given = make_config({**self.settings, "model": model, "run": self.scratch / "run"})
        return given.model_dump(mode="json")


def _environment(config: Mapping[str, Any]) -> dict[str, str]:
    """As many threads for everybody."""
    threads = config["threads"] or max(1, (os.cpu_count() or 1) - 1)
    return {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}


def say(what: str) -> None:
    """A line on stderr, with the time."""
    print(time.strftime("%H:%M:%S"), what, file=sys.stderr, flush=True)  # noqa: T201
