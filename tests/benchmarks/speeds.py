"""A run of benchmarks.training as it might have been measured."""

from __future__ import annotations

from typing import Any

from benchmarks.training.run import Block, Run

MODEL = "resnet26d"


def block(trainer: str, images_per_s: float, **changed: Any) -> Block:  # noqa: ANN401 - any field of a block
    values = {
        "model": MODEL,
        "trainer": trainer,
        "round": 1,
        "images_per_s": images_per_s,
        "cores": 1.0,
        "others_cores": 0.02,
    }
    return Block(**{**values, **changed})


def measured(**changed: Any) -> Run:  # noqa: ANN401 - any field of a run
    settings = {
        "image_size": 224,
        "batch_size": 32,
        "precision": "fp32",
        "threads": 1,
        "workers": 0,
        "device": "cpu",
        "cache": "memory",
    }
    values: dict[str, Any] = {
        "command": "python -m benchmarks.training --photos photos --timm-train train.py",
        "began_at": "2026-11-21",
        "machine": {"cpu": "AMD EPYC", "cores": 2, "memory_gib": 23, "instructions": ["avx2"], "system": "Linux", "gpu": None},
        "versions": {"torch": "2.15.0"},
        "turns": {"rounds": 3, "steps": 4, "warm": 3},
        "photos": {"count": 1440, "different": 1200, "kilobytes": 97.9, "classes": 15, "drawn": False},
        "timm_script": "f0bb70b9e1c8",
        "blocks": [
            block(trainer, speed, round=number)
            for number, speeds in enumerate(((30.0, 24.0, 31.0), (15.0, 10.0, 15.0), (33.0, 30.0, 34.0)), start=1)
            for trainer, speed in zip(("ours", "timm", "limit"), speeds, strict=True)
        ],
        "settled": {MODEL: {"config": settings, "reasons": ["cache = memory (80 MB of 20 GB free)"], "reading_s": 4.5}},
        "minutes": 9.4,
    }  # fmt: skip
    return Run(**{**values, **changed})
