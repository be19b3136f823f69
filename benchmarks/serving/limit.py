"""The raw limit: decode and forward without a server, one process per core, one thread each.

Each process reads requests from its standard input, and answers each with one line of JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from benchmarks.serving import machine
from benchmarks.serving.servers.launch import ONE_THREAD, ROOT, module_path


class CannotLoad(Exception):
    """The archive has no such engine, or this machine cannot run it; the message is the process's own."""


@dataclass(frozen=True)
class Limit:
    """The raw limit of one engine."""

    engine: str
    processes: int
    images_per_s: float  # of all processes together
    decode_ms: float  # of one image, in one thread, while all cores work
    forward_ms: float  # the same, in batches of eight
    alone_ms: float  # decode and forward of one image, alone on the machine, median
    labels: list[str]  # the best class of each photo
    others_cores: float


def measure(folder: Path, photos: Path, engine: str, *, processes: int, seconds: float) -> Limit:
    """Measure one engine; raises CannotLoad."""
    with _workers(folder, photos, engine, processes) as workers:
        labels: list[str] = _ask(workers[:1], "labels")[0]["labels"]
        alone = _ask(workers[:1], f"alone {seconds / 2}")[0]
        before = machine.sample(None)
        together = _ask(workers, f"together {seconds}")
        used = machine.usage(before, machine.sample(None))
    return Limit(
        engine=engine,
        processes=processes,
        images_per_s=round(sum(each["images"] / each["seconds"] for each in together), 1),
        decode_ms=_per_image(together, "decode_s"),
        forward_ms=_per_image(together, "forward_s"),
        alone_ms=round(alone["median_ms"], 2),
        labels=labels,
        others_cores=round(max(0.0, used.others - sum(each["cpu_s"] / each["seconds"] for each in together)), 2),
    )


def _per_image(answers: Sequence[dict[str, Any]], key: str) -> float:
    seconds, images = sum(float(each[key]) for each in answers), sum(int(each["images"]) for each in answers)
    return round(1000 * seconds / images, 2)


@contextmanager
def _workers(folder: Path, photos: Path, engine: str, processes: int) -> Iterator[list[subprocess.Popen[str]]]:
    command = [sys.executable, "-m", "benchmarks.serving.limit_worker", str(folder), str(photos), engine]
    environment = os.environ | ONE_THREAD | {"PYTHONPATH": module_path()}
    workers = [
        subprocess.Popen(
            [*command, str(core)], cwd=ROOT, env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        for core in range(processes)
    ]  # fmt: skip
    try:
        _ask(workers, "hello")
        yield workers
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()


def _ask(workers: Sequence[subprocess.Popen[str]], what: str) -> list[dict[str, Any]]:
    """Send the request to all processes, and collect their answers."""
    for worker in workers:
        if worker.poll() is None:
            _pipe(worker.stdin).write(f"{what}\n")
            _pipe(worker.stdin).flush()
    return [_answer(worker) for worker in workers]


def _answer(worker: subprocess.Popen[str]) -> dict[str, Any]:
    line = _pipe(worker.stdout).readline()
    if not line:
        raise CannotLoad((_pipe(worker.stderr).read().strip().splitlines() or ["it printed nothing"])[-1])
    answer: dict[str, Any] = json.loads(line)
    return answer


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None  # all three are pipes
    return pipe
