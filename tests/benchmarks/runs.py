"""A run as it might have been measured: one factory makes the ordinary case."""

from __future__ import annotations

from typing import Any

from benchmarks.serving.limit import Limit
from benchmarks.serving.rows import Row
from benchmarks.serving.run import Run

BF16 = "openvino-bf16"


def row(server: str, images_per_s: float, **changed: Any) -> Row:  # noqa: ANN401 - any field of a row
    values: dict[str, Any] = {
        "server": server, "engine": BF16, "setting": "2 workers x 1 thread, batch 8", "concurrency": 16, "images_per_request": 1,
        "images_per_s": images_per_s, "p50_ms": 100.0, "p99_ms": 140.0, "statuses": {"200": 900}, "cut": 0, "same_label": 1.0,
        "server_cores": 1.9, "client_cores": 0.015, "others_cores": 0.02, "memory_mb": 1500, "worker_mb": 700, "tries": 1,
    }  # fmt: skip
    return Row(**{**values, **changed})


def limit(engine: str, images_per_s: float, **changed: Any) -> Limit:  # noqa: ANN401
    values: dict[str, Any] = {
        "engine": engine, "processes": 2, "images_per_s": images_per_s, "decode_ms": 1.1, "forward_ms": 12.4, "alone_ms": 14.0,
        "labels": ["golf ball"] * 4, "others_cores": 0.01,
    }  # fmt: skip
    return Limit(**{**values, **changed})


def whole_run() -> Run:
    return Run(
        command="python -m benchmarks.serving --archive balls.mar --photos photos",
        began_at="2026-11-21",
        machine={"cpu": "AMD EPYC", "cores": 2, "memory_gib": 23, "instructions": ["avx2"], "system": "Linux", "python": "3.11"},
        versions={"torch": "2.15.0"},
        model={"architecture": "resnet26d", "classes": 15, "input": 224, "int8_gate": "its int8 names fp32's class for 99.2% of 1,466 held-out photos"},
        photos={"count": 64, "kilobytes": 97.9},
        limits=[limit(BF16, 147.0), limit("torch-fp32", 30.0)],
        decoding=[
            {"size": "500x400", "kilobytes": 98, "stock_ms": 2.24, "ours_ms": 1.12, "ratio": 2.0, "largest_difference": 1, "largest_change": 0.0012}
        ],
        rows=[
            row("podium", 60.0, concurrency=1),
            row("podium", 135.0),
            row("podium", 141.0, concurrency=4, images_per_request=16),
            row("podium", 67.5, setting="2 workers x 1 thread, batch 8, beside a busy process"),
            row("torchserve", 27.0, engine="torch-fp32", setting="1 worker, batch 1"),
            row("torchserve", 20.0, engine="torch-fp32", setting="1 worker, batch 8"),
            row("litserve", 100.0),
            row("fastapi", 140.0, statuses={"200": 900, "503": 4}, cut=1),
        ],
        ready_s={"podium openvino-bf16, 2 workers x 1 thread, batch 8": [3.1, 3.6, 3.2]},
        neighbours={"podium": {"good": 36, "lost": 0, "good_in_one_request": 12, "lost_in_one_request": 0}, "torchserve": {"good": 36, "lost": 30}},
        stops={"podium": {"answered": 90, "said_no": 8, "lost": 0}, "torchserve": {"answered": 50, "said_no": 0, "lost": 8}},
        skipped=["openvino-int8: the archive holds none"],
        minutes=14.2,
    )  # fmt: skip
