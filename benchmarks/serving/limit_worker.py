"""One process of the raw limit: pinned to a core, one thread, the code path of the handler.

`Classifier.read` on each photo, `Classifier.classify` on eight, as the lines on standard input request.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.serving.apps.model import Probabilities, load
from benchmarks.serving.photos import read_photos

BATCH = 8


class Worker:
    """One process of the limit."""

    def __init__(self, folder: Path, photos: Sequence[bytes], engine: str) -> None:
        self.model = load(folder, engine)
        self.photos = photos
        for size in (1, BATCH):
            self.classify(photos[:size])

    def classify(self, photos: Sequence[bytes]) -> tuple[float, float, Probabilities]:
        """Seconds of reading, seconds of classifying, and the probabilities."""
        began = time.perf_counter()
        pixels = np.stack([self.model.read(photo) for photo in photos])
        read = time.perf_counter()
        rows = self.model.classify(pixels)
        return read - began, time.perf_counter() - read, rows

    def hello(self) -> dict[str, Any]:
        """Answer that the model is loaded."""
        return {}

    def labels(self) -> dict[str, Any]:
        """The best class of each photo."""
        rows = [self.classify([photo])[2][0] for photo in self.photos]
        return {"labels": [self.model.classes[int(row.argmax())] for row in rows]}

    def alone(self, seconds: float) -> dict[str, Any]:
        """Classify one image at a time."""
        times, until, photos = [], time.perf_counter() + seconds, cycle(self.photos)
        while time.perf_counter() < until:
            times.append(sum(self.classify([next(photos)])[:2]))
        return {"median_ms": 1000 * sorted(times)[len(times) // 2]}

    def together(self, seconds: float) -> dict[str, Any]:
        """Classify eight images at a time, for `seconds`."""
        images, decode_s, forward_s, photos = 0, 0.0, 0.0, cycle(self.photos)
        began, cpu = time.perf_counter(), time.process_time()
        spent = 0.0
        while spent < seconds:
            read, classified, rows = self.classify(list(islice(photos, BATCH)))
            images, decode_s, forward_s = images + len(rows), decode_s + read, forward_s + classified
            spent = time.perf_counter() - began
        return {
            "images": images, "seconds": spent, "decode_s": decode_s, "forward_s": forward_s,
            "cpu_s": time.process_time() - cpu,
        }  # fmt: skip


def main() -> None:
    """Pin this process to its core, and serve one request a line."""
    folder, photos, engine, core = sys.argv[1:]
    os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[int(core)]})
    worker = Worker(Path(folder), read_photos(Path(photos)), engine)
    for line in sys.stdin:
        what, *arguments = line.split()
        print(json.dumps(getattr(worker, what)(*map(float, arguments))), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
