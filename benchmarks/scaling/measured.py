"""Speeds as they were measured, of one model in every shape; a GPU's is assumed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from benchmarks.scaling.template import ROOT

RESULTS = ROOT / "docs" / "results"
ENGINE, SETTING = "openvino-int8", "2 workers x 1 thread, batch 4"
VCPU_MB = 1769  # of memory for which Lambda gives one vCPU
Json = dict[str, Any]


@dataclass(frozen=True)
class Speeds:
    """Images a second of one server on two cores, and of the computing part of one function; seconds of its cold start."""

    server: float
    function: float
    cold_start_s: float
    model: str


def read_speeds(function_mb: float) -> Speeds:
    """From docs/results: serving.json for the speeds, function.json for the cold start.

    In the function, one vCPU computes and what remains of the others reads the next images meanwhile; the slower counts.
    """
    serving, function = _read("serving.json"), _read("function.json")
    [server] = [
        it for it in serving["rows"]
        if (it["server"], it["engine"], it["setting"], it["concurrency"], it["images_per_request"]) == ("podium", ENGINE, SETTING, 16, 1)
    ]  # fmt: skip
    [limit] = [it for it in serving["limits"] if it["engine"] == ENGINE]
    vcpus = function_mb / VCPU_MB
    if vcpus <= 1:
        raise ValueError(f"a function of {function_mb} MB has less than the vCPU that computes and one that reads")
    seconds = max(limit["forward_ms"], limit["decode_ms"] / (vcpus - 1)) / 1000
    starts = [it["import_s"] + it["load_s"] for it in function["rows"] if (it["engine"], it["cpus"]) == (ENGINE, 2)]
    return Speeds(server["images_per_s"], 1 / seconds, max(starts), f"{serving['model']['architecture']} in int8")


def _read(name: str) -> Json:
    found: Json = json.loads((RESULTS / name).read_text(encoding="utf-8"))
    return found
