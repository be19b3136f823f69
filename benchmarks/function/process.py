"""One process of the classify function with its model, from its first import to a warm batch: prints a line of JSON.

Run by `python -m benchmarks.function` with nothing on its path but functions/ and the layer, in a number of CPUs:

    process.py ARCHIVE FOLDER_OF_PHOTOS BATCHES
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from pathlib import Path

BATCH = 20  # as the queue mapping hands over


def main(archive: Path, photos: list[Path], batches: int) -> dict[str, object]:
    """Seconds of each step of a cold start, images a second when warm, and bytes of memory."""
    began = time.perf_counter()
    import pipeline.classify.handler  # noqa: F401, PLC0415 - what Lambda imports
    from pipeline.model_here.model import ModelHere  # noqa: PLC0415

    imported = time.perf_counter()
    fetched = [0.0]

    def fetch(folder: Path) -> Path:
        before = time.perf_counter()
        there = Path(shutil.copy(archive, folder))
        fetched[0] = time.perf_counter() - before
        return there

    model = ModelHere(fetch)
    images = [path.read_bytes() for path in photos]
    before = time.perf_counter()
    first = model.ask(images[:1], budget_s=600)[0]
    answered = time.perf_counter()
    warm = [_seconds(model, images, at) for at in range(batches)]
    found = {
        "import_s": imported - began,
        "load_s": answered - before - fetched[0],
        "batch_s": sorted(warm)[len(warm) // 2],
        "engine": first.model.engine,  # type: ignore[union-attr]  # an answer
        "parent_peak_bytes": _peak("self"),
        "reader_peak_bytes": _peak(_children()[0]),
    }
    model.close()
    return found


def _seconds(model: object, images: list[bytes], at: int) -> float:
    some = [images[(at * BATCH + n) % len(images)] for n in range(BATCH)]
    before = time.perf_counter()
    model.ask(some, budget_s=600)  # type: ignore[attr-defined]
    return time.perf_counter() - before


def _children() -> list[str]:
    """The numbers of the processes that this one's threads have started: the reader's."""
    return [pid for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()]


def _peak(process: str) -> int:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) * 1024


if __name__ == "__main__":
    paths = sorted(it for it in Path(sys.argv[2]).iterdir() if it.is_file())
    sys.stdout.write(json.dumps(main(Path(sys.argv[1]), paths, int(sys.argv[3]))) + "\n")
