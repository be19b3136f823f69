"""The other servers: each its own few lines in `apps/`, two workers of one thread, at most eight photos a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from benchmarks.serving.photos import FORM_TYPE, form
from benchmarks.serving.servers.launch import Job, Launch, free_port, peer_environment, raw
from benchmarks.serving.wire import post

APPS = "benchmarks.serving.apps"
SETTING = "{workers} workers x 1 thread, batch 8"


def fastapi(job: Job) -> Launch:
    """uvicorn on its fast loop and parser, and a bare batcher."""
    port = free_port()
    uvicorn = ["-m", "uvicorn", f"{APPS}.fastapi_app:app", "--workers", str(job.workers), "--loop", "uvloop"]
    uvicorn += ["--http", "httptools", "--no-access-log", "--log-level", "warning", "--port", str(port)]
    return _peer("fastapi", job, port, uvicorn)


def litserve(job: Job) -> Launch:
    """One API server, as many workers as cores."""
    return _peer("litserve", job, free_port(), ["-m", f"{APPS}.litserve_app"])


def ray(job: Job) -> Launch:
    """One proxy, as many replicas as cores, in the mode for throughput."""
    optimised = {"RAY_SERVE_THROUGHPUT_OPTIMIZED": "1", "RAY_USAGE_STATS_ENABLED": "0"}
    return _peer("ray", job, free_port(), ["-m", f"{APPS}.ray_app"], optimised)


def bentoml(job: Job) -> Launch:
    """Adaptive batching, and photos in a form: a batch of BentoML takes no raw bodies."""
    port = free_port()
    serve = ["-m", "bentoml", "serve", f"{APPS}.bentoml_app:Classify", "--host", "127.0.0.1", "--port", str(port)]
    quiet = {"BENTOML_HOME": str(job.home / "bentoml"), "BENTOML_DO_NOT_TRACK": "True"}
    launch = _peer("bentoml", job, port, serve, quiet)
    return replace(launch, single=lambda photo: post("/predict", form(photo, "images"), content_type=FORM_TYPE))


def _peer(name: str, job: Job, port: int, arguments: Sequence[str], more: dict[str, str] | None = None) -> Launch:
    return Launch(
        name=name,
        setting=SETTING.format(workers=job.workers),
        engine=job.engine,
        workers=job.workers,
        port=port,
        home=job.home,
        command=[str(job.peers), *arguments],
        environment=peer_environment(job, port) | (more or {}),
        single=raw("/predict"),
    )
