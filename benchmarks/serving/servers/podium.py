"""Podium's own: the handler alone in TorchServe, and the proxy in front of it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.serving.servers import torchserve
from benchmarks.serving.servers.launch import ONE_THREAD, Job, Launch, free_port, module_path, raw, tar

BATCH = 8
DELAY_MS = 10  # of the handler alone; the proxy does not wait to fill a batch
PYTHON = Path(sys.executable)


def handler_alone(job: Job) -> Launch:
    """`torchserve --start` with Podium's archive, and TorchServe's own batching."""
    model = torchserve.model_name(job.folder)
    archive = _archive(job, batch=BATCH, delay_ms=DELAY_MS)
    properties = job.home / "config.properties"
    ports = torchserve.write_properties(properties, torchserve.PROPERTIES.read_text(encoding="utf-8"))
    return Launch(
        name="podium-handler",
        setting=f"{job.workers} workers x 1 thread, batch {BATCH}",
        engine=job.engine,
        workers=job.workers,
        port=ports["inference_address"],
        home=job.home,
        command=torchserve.command(
            PYTHON, home=job.home, store=archive.parent, archive=archive, name=model, properties=properties
        ),
        environment=torchserve.environment(job.home) | ONE_THREAD,
        single=raw(f"/predictions/{model}"),
        many=tar(f"/predictions/{model}"),
        ready=torchserve.workers_ready(ports["management_address"], model),
        stopped_by=torchserve.PROGRAM,
    )


def proxied(job: Job) -> Launch:
    """`python -m proxy`, which starts TorchServe itself."""
    model = torchserve.model_name(job.folder)
    archive = _archive(job, batch=1, delay_ms=1)
    port = free_port()
    command = [str(PYTHON), "-m", "proxy", "--model-store", str(archive.parent), "--models", f"{model}={archive.name}"]
    command += [
        "--listen",
        f"127.0.0.1:{port}",
        "--metrics",
        f"127.0.0.1:{free_port()}",
        "--home",
        str(job.home / "home"),
    ]
    command += ["--workers", str(job.workers)]
    return Launch(
        name="podium",
        setting=f"{job.workers} workers x 1 thread, batch 4",
        engine=job.engine,
        workers=job.workers,
        port=port,
        home=job.home,
        command=command,
        environment=ONE_THREAD | {"PYTHONPATH": module_path()},
        single=raw(f"/predictions/{model}"),
        many=tar(f"/predictions/{model}"),
    )


def _archive(job: Job, *, batch: int, delay_ms: int) -> Path:
    store = job.home / "store"
    store.mkdir(parents=True)
    return torchserve.with_config(job.archive, store / job.archive.name, _change(job, batch, delay_ms))


def _change(job: Job, batch: int, delay_ms: int) -> Callable[[dict[str, Any]], None]:
    engine, _, precision = job.engine.rpartition("-")

    def change(config: dict[str, Any]) -> None:
        config |= {"minWorkers": job.workers, "maxWorkers": job.workers, "batchSize": batch, "maxBatchDelay": delay_ms}
        config["handler"] = config.get("handler", {}) | {"engine": engine, "precision": precision, "threads": 1}

    return change
