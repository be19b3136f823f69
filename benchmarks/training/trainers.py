"""The three that are measured: Podium's loop, timm's train.py, and the limit."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.training import timm_script
from benchmarks.training.process import Process, TrainerEnded

ROOT = Path(__file__).resolve().parents[2]


class Own:
    """One of our own processes, which trains blocks of steps on request: see `gate`."""

    def __init__(self, module: str, config: Mapping[str, Any], *, classes: int, environment: Mapping[str, str]) -> None:
        command = [sys.executable, "-m", f"benchmarks.training.{module}", json.dumps(config), str(classes)]
        self.process = Process(command, folder=ROOT, environment=environment)

    def answer(self) -> dict[str, Any]:
        """The next line of JSON."""
        while not (line := self.process.line()).startswith("{"):
            pass  # a library's output
        facts: dict[str, Any] = json.loads(line)
        return facts

    def block(self, untimed: int, timed: int) -> float:
        """Seconds of `timed` steps, after `untimed` ones; stops the process afterwards."""
        self.process.go_on()
        self.process.write(f"{untimed} {timed}")
        while "seconds" not in (facts := self.answer()):
            pass
        self.process.hold()
        return float(facts["seconds"])


class Timms:
    """timm's train.py, unmodified, which logs the images a second of each of its steps."""

    def __init__(
        self, script: Path, config: Mapping[str, Any], *, classes: int, environment: Mapping[str, str], scratch: Path
    ) -> None:
        self.batch_size = int(config["batch_size"])
        output = tempfile.mkdtemp(prefix="timm-", dir=scratch)
        command = [sys.executable, str(script), *timm_script.arguments(config, classes=classes, output=output)]
        self.process = Process(command, folder=scratch, environment=environment)

    def block(self, untimed: int, timed: int) -> float:
        """Seconds of `timed` steps, after `untimed` ones; stops the process afterwards."""
        self.process.go_on()
        seconds: list[float] = []
        while len(seconds) < untimed + timed:
            if step := timm_script.step_of(self.process.line()):
                if step.epoch > 0:
                    raise TrainerEnded("it came to the end of its epoch, so there were too few photos")
                seconds.append(self.batch_size / step.images_per_s)
        self.process.hold()
        return sum(seconds[untimed:])


Trainer = Own | Timms
