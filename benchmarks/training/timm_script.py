"""The arguments with which timm's train.py trains as `podium train` does, and its log lines."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

DTYPES = {"bf16": "bfloat16", "fp16": "float16"}
STEP = re.compile(r"Train: (?P<epoch>\d+) \[\s*(?P<step>\d+)/\d+ .*?Time: [\d.]+s,\s+(?P<rate>[\d.]+)/s")


@dataclass(frozen=True)
class Step:
    """One line of its log: one step, if it logs every step."""

    epoch: int  # from 0
    step: int  # from 0
    images_per_s: float  # of this step, with the wait for its photos


def step_of(line: str) -> Step | None:
    """The step in a line of its log; None if the line is about something else."""
    found = STEP.search(line)
    return Step(int(found["epoch"]), int(found["step"]), float(found["rate"])) if found else None


def arguments(config: Mapping[str, Any], *, classes: int, output: str) -> list[str]:
    """The same photos, model, pixels, batch, crops, loss, optimizer, precision and workers; `config` holds no `auto`.

    No validation, no average of weights, no mixup. On a GPU, as in timm's own recipes, channels last and pinned memory.
    """
    options: dict[str, object] = {
        "--data-dir": config["data"], "--train-split": "train", "--val-split": "", "--num-classes": classes,
        "--model": config["model"], "--batch-size": config["batch_size"],
        "--scale": [config["min_scale"], 1.0], "--ratio": [1 / config["max_aspect"], config["max_aspect"]],
        "--hflip": config["horizontal_flip"], "--color-jitter": 0, "--train-interpolation": "bicubic",
        "--smoothing": config["label_smoothing"], "--opt": config["optimizer"], "--lr": config["lr"],
        "--weight-decay": config["weight_decay"], "--sched": "cosine", "--epochs": 2, "--warmup-epochs": 0,
        "--input-size": [3, config["image_size"], config["image_size"]],
        "--workers": config["workers"], "--device": config["device"], "--log-interval": 1, "--output": output,
    }  # fmt: skip
    words = [word for key, value in options.items() for word in (key, *_words(value))]
    if config["precision"] in DTYPES:
        words += ["--amp", "--amp-dtype", DTYPES[config["precision"]]]
    if str(config["device"]).startswith("cuda"):
        words += ["--channels-last", "--pin-mem"]
    return words


def _words(value: object) -> list[str]:
    return [str(part) for part in value] if isinstance(value, list) else [str(value)]
