"""Podium's training beside timm's train.py and beside the limit, on this machine, in one run.

    python -m benchmarks.training --photos FOLDER --timm-train PATH

Writes training-speed.json, training-speed.md and images/training-speed.svg to --out. FOLDER holds a folder of photos for
each class; without it, balls are drawn. train.py is not in timm's package: take it from timm's repository.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from benchmarks.serving import machine
from benchmarks.training import photos, plot, report
from benchmarks.training.run import Run
from benchmarks.training.suite import UNTIMED, Suite, say

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "docs" / "results"
DRAWN = ROOT / ".podium" / "benchmark-balls"
MODELS = "resnet26d,resnet50,efficientnet_b0,mobilenetv3_large_100"
LIBRARIES = ("torch", "torchvision", "timm", "pillow")
SPARE = 1.2  # times the photos that are timed: trainers run on for a moment after their turn


def main() -> None:
    """Measure, and write the results."""
    options = _arguments()
    signal.signal(
        signal.SIGTERM, lambda *_: sys.exit("stopped")
    )  # by an exception, so that the trainers are killed, too
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="training-") as folder:
        scratch = Path(folder)
        source = options.photos or photos.draw(DRAWN)
        steps = options.warm + 1 + options.rounds * (options.steps + UNTIMED)
        count = round(steps * SPARE + 8) * options.batch_size
        classes = photos.lay_out(source, scratch / "data", count=count)
        run = _new_run(options, scratch / "data", len(classes))
        suite = Suite(
            run, _settings(options, scratch), len(classes), options.timm_train and options.timm_train.resolve(), scratch, options.warm,
            options.steps, options.rounds,
        )  # fmt: skip
        try:
            for model in options.models.split(","):
                suite.measure(model)
        finally:
            run.minutes = round((time.monotonic() - began) / 60, 1)
            write(run, options.out)


def write(run: Run, out: Path) -> None:
    """Write the JSON, the page and the plot, and print the goals on stderr."""
    found = list(report.goals(run))
    out.mkdir(parents=True, exist_ok=True)
    document = {**run.document(), "goals": [{**vars(goal), "met": goal.met} for goal in found]}
    (out / "training-speed.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    if run.blocks:
        (out / "training-speed.md").write_text(report.page(run), encoding="utf-8")
        plot.draw(run, out / report.PLOT)
    for goal in found:
        say(f"{'reached' if goal.met else 'MISSED '} {goal.text}: {goal.reached:.2f} (>= {goal.wanted:g})")


def _settings(options: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    """The settings that differ from the defaults of `podium train`."""
    return {
        "data": str(scratch / "data"), "cache_dir": scratch / "cache", "image_size": options.image_size,
        "batch_size": options.batch_size, "threads": options.threads, "workers": options.workers, "device": options.device,
        "cache": options.cache, "epochs": 100, "tensorboard": False,
    }  # fmt: skip


def _new_run(options: argparse.Namespace, data: Path, classes: int) -> Run:
    laid = list((data / "train").rglob("*.*"))
    different = {path.resolve() for path in laid}
    kilobytes = sum(path.stat().st_size for path in different) / len(different) / 1000
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return Run(
        command="python -m benchmarks.training " + " ".join(_shown(argument) for argument in sys.argv[1:]),
        began_at=time.strftime("%Y-%m-%d"),
        machine={**machine.facts(), "gpu": gpu},
        versions={name: metadata.version(name) for name in LIBRARIES},
        turns={key: getattr(options, key) for key in ("steps", "rounds", "warm")},
        photos={
            "count": len(laid),
            "different": len(different),
            "kilobytes": round(kilobytes, 1),
            "classes": classes,
            "drawn": options.photos is None,
        },
        timm_script=hashlib.sha256(options.timm_train.read_bytes()).hexdigest()[:12] if options.timm_train else None,
    )


def _shown(argument: str) -> str:
    """The command with only the last part of each path, without the folders of this machine."""
    return Path(argument).name if Path(argument).is_absolute() else argument


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--models", default=MODELS, help="timm's names, with commas between")
    parser.add_argument("--photos", type=Path, help="a folder of class folders; without it, balls are drawn")
    parser.add_argument("--timm-train", type=Path, help="timm's train.py; without it, its columns stay empty")
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument(
        "--threads", type=_least(1), default=max(1, (os.cpu_count() or 1) - 1), help="of torch on a CPU"
    )
    parser.add_argument("--workers", type=_least(0), default=0, help="processes that crop, for each trainer")
    parser.add_argument(
        "--cache", default="auto", help="where Podium keeps decoded photos: auto, files, memory, device"
    )
    parser.add_argument("--device", default="auto")
    parser.add_argument("--steps", type=_least(1), default=4, help="that are timed in each turn")
    parser.add_argument("--rounds", type=_least(1), default=7)
    parser.add_argument("--warm", type=_least(1), default=3, help="steps before the first round")
    parser.add_argument("--out", type=Path, default=OUT)
    return parser.parse_args()


def _least(bound: int) -> Any:  # noqa: ANN401 - argparse's own type
    def number(text: str) -> int:
        if (given := int(text)) < bound:
            raise argparse.ArgumentTypeError(f"{given} is too few: it must be at least {bound}")
        return given

    return number


if __name__ == "__main__":
    main()
