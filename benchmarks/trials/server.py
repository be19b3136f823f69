"""The model server over a long time, and with a worker that has too little memory for one picture."""

from __future__ import annotations

import io
import itertools
import resource
import time
from collections import Counter
from typing import Any

import psutil
from PIL import Image

from benchmarks import chaos
from benchmarks.serving.load import ClosedLoop
from benchmarks.serving.wire import Request, post
from benchmarks.trials.batches import RETURNS_WITHIN_S, Trial
from podium.project import local_stack

Facts = dict[str, Any]
REQUESTS, ROUND = 20_000, 1_000
CLIENTS = 16
ROUND_WITHIN_S = 300.0
LARGE_PX = 7_000  # square, of one colour: 49 megapixels, 147 MB once decoded; a PNG is decoded at full size
SMALL = 60  # images beside it
HELD_S = 60.0  # with too little memory
KILLS, KILLED_EVERY_S = 4, 8.0
SPARE_BYTES = 100 * 2**20  # of addresses that a worker may still take


def many_requests(seed: int) -> Facts:
    """20,000 requests at the proxy, a thousand at a time: answers, memory and open files after the first and the last thousand."""
    pictures = [path.read_bytes() for path in sorted(chaos.draw_images(100, 1, seed)[0].iterdir())]
    chaos.podium("up")
    local = local_stack()
    if local is None or local.archive is None:
        raise RuntimeError("the stack serves no model")
    path = f"/predictions/{local.archive.stem}"
    requests = itertools.cycle([Request(post(path, body), photo=number) for number, body in enumerate(pictures)])
    statuses: Counter[int] = Counter()
    cut = refused = 0
    rounds: list[Facts] = []
    began = time.monotonic()
    for _ in range(REQUESTS // ROUND):
        loop = ClosedLoop(("127.0.0.1", local.inference_port), itertools.islice(requests, ROUND), clients=CLIENTS)
        outcome = loop.run(seconds=ROUND_WITHIN_S)
        statuses.update(outcome.statuses)
        cut, refused = cut + outcome.cut, refused + outcome.refused
        rounds.append(_held())
    return {
        "answers": statuses.total(), "by status": dict(statuses), "cut connections": cut, "refused connections": refused,
        "requests a second": round(statuses.total() / (time.monotonic() - began), 1),
        "after the first thousand": rounds[0], "after half": rounds[len(rounds) // 2], "after the last thousand": rounds[-1],
    }  # fmt: skip


def _held() -> Facts:
    """Resident memory in MB and open files of the proxy, TorchServe and its workers."""
    held: dict[str, Any] = {}
    for part, word in (("proxy", "-m proxy"), ("TorchServe", "org.pytorch.serve.modelserver"), ("workers", "model_service_worker")):  # fmt: skip
        found = _of_server(word)
        held[part] = {
            "memory, MB": round(sum(process.memory_info().rss for process in found) / 1e6),
            "open files": sum(process.num_fds() for process in found),
        }
    return held


def _of_server(word: str) -> list[psutil.Process]:
    return [process for process in chaos.processes("") if word in " ".join(process.cmdline()).lower()]


def worker_without_memory(seed: int) -> Facts:
    """A batch with one picture for which the workers have too little memory, until they have enough: its fate, and its neighbours'."""
    trial = Trial(seed, SMALL)
    large = io.BytesIO()
    Image.new("RGB", (LARGE_PX, LARGE_PX), (200, 30, 30)).save(large, "PNG")
    (trial.folder / "large.png").write_bytes(large.getvalue())
    workers = _of_server("model_service_worker")
    for worker in workers:
        room = worker.memory_info().vms + SPARE_BYTES
        resource.prlimit(worker.pid, resource.RLIMIT_AS, (room, resource.RLIM_INFINITY))
    began = time.monotonic()
    chaos.podium("drop", str(trial.folder), "--batch", trial.batch)
    trial.until_rows(SMALL)
    neighbours_s = time.monotonic() - began
    time.sleep(HELD_S)
    without = trial.without_a_row()
    died = sum(not worker.is_running() for worker in workers)
    for worker in _of_server("model_service_worker"):
        resource.prlimit(worker.pid, resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    return {
        "workers": len(workers), "workers that died": died, "seconds until the neighbours were done": round(neighbours_s, 1),
        "without a row while memory lacked": without, "complete with enough memory": trial.wait(RETURNS_WITHIN_S), **trial.audit(),
    }  # fmt: skip


def worker_killed(seed: int) -> Facts:
    """The workers are killed by SIGKILL, as the kernel does without memory, again and again while a batch is classified."""
    trial = Trial(seed)
    drop, kills = trial.drop(), 0
    for _ in range(KILLS):
        time.sleep(KILLED_EVERY_S)
        kills += chaos.kill("model_service_worker")
    drop.wait()
    return {"workers killed": kills, "complete": trial.wait(RETURNS_WITHIN_S), **trial.audit()}
