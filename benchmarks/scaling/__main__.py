"""Simulate a day of images in every shape, and write the page, its figures and its pictures.

python -m benchmarks.scaling [--seed 0] [--gpu-images-per-s 400] [--out docs/results]
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.scaling.plot import draw
from benchmarks.scaling.report import page
from benchmarks.scaling.shapes import Study
from benchmarks.scaling.suite import simulate_all
from benchmarks.scaling.world import World
from benchmarks.serving import machine
from podium.costs.measured import RESULTS
from podium.costs.prices import load_prices


def main(arguments: Sequence[str] | None = None) -> None:
    """Simulate, and write scaling.json, scaling.md and the pictures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument("--gpu-images-per-s", type=float, default=World().gpu_images_per_s, metavar="N")
    parser.add_argument("--prices", type=Path, metavar="FILE")
    parser.add_argument("--out", type=Path, default=RESULTS, metavar="FOLDER")
    options = parser.parse_args(arguments)
    began, prices = time.monotonic(), load_prices(options.prices)
    found = simulate_all(Study(prices, World(gpu_images_per_s=options.gpu_images_per_s), seed=options.seed))
    found |= {
        "command": shlex.join(
            ["python", "-m", "benchmarks.scaling", *(sys.argv[1:] if arguments is None else arguments)]
        ),
        "machine": machine.facts(),
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "prices": f"{prices.region}, {prices.checked}",
        "seconds": round(time.monotonic() - began, 1),
    }
    lines = list(page(found))
    print("\n".join(lines))  # noqa: T201
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "scaling.json").write_text(json.dumps(found, separators=(",", ":")) + "\n", encoding="utf-8")
    (options.out / "scaling.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for path in draw(found, options.out / "images"):
        print(path)  # noqa: T201


if __name__ == "__main__":
    main()
