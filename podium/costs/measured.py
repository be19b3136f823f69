"""Speeds as they were measured: read from docs/results, each with the page that has it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from podium.errors import ConsoleError
from podium.project import ROOT

RESULTS = ROOT / "docs" / "results"
MODEL = "resnet26d"  # whose server was measured; all shapes are compared with this one model
SERVER = {"server": "podium", "engine": "openvino-int8", "concurrency": 16, "images_per_request": 1}
VCPU_MB = 1769  # of memory for which Lambda gives one vCPU
Json = dict[str, Any]


class Speed(BaseModel):
    """Images a second, and where the figure comes from."""

    model_config = ConfigDict(frozen=True)

    images_per_s: float
    cores: float
    source: str
    measured: bool = True


class ColdStart(BaseModel):
    """Seconds of a new function process until its first answer, without the fetch of the archive."""

    model_config = ConfigDict(frozen=True)

    seconds: float
    source: str


def server_speed() -> Speed:
    """The model server on a CPU: as many images as 16 clients get from it."""
    found = _read("serving.json")
    row = next(it for it in found["rows"] if SERVER.items() <= it.items() and "beside" not in it["setting"])
    cores = float(found["machine"]["cores"])
    return Speed(
        images_per_s=row["images_per_s"],
        cores=cores,
        source=f"docs/results/serving.md: {found['model']['architecture']} int8, {cores:.0f} cores of {found['machine']['cpu']}",
    )


def function_speed(memory_mb: float) -> Speed:
    """The model inside the function: one vCPU computes, what remains of the others reads the next images meanwhile.

    By the decode and forward times of the same model without a server; the slower of the two counts.
    """
    found = _read("serving.json")
    limit = next(it for it in found["limits"] if it["engine"] == SERVER["engine"])
    vcpus = memory_mb / VCPU_MB
    decode_ms, forward_ms = limit["decode_ms"], limit["forward_ms"]
    in_turn_ms = (decode_ms + forward_ms) / min(vcpus, 1)
    meanwhile_ms = max(forward_ms, decode_ms / (vcpus - 1)) if vcpus > 1 else in_turn_ms
    return Speed(
        images_per_s=1000 / min(in_turn_ms, meanwhile_ms),
        cores=vcpus,
        source=f"docs/results/serving.md: {forward_ms} ms forward, {decode_ms} ms decode of {MODEL} int8, on {vcpus:.1f} vCPUs",
    )


def function_cold_start() -> ColdStart:
    """Import and load of the largest int8 archive that was measured in the function."""
    rows = [it for it in _read("function.json")["rows"] if it["engine"] == SERVER["engine"] and it["cpus"] == 2]
    slowest = max(rows, key=lambda it: it["import_s"] + it["load_s"])
    return ColdStart(
        seconds=slowest["import_s"] + slowest["load_s"], source=f"docs/results/function.md: {slowest['archive']}"
    )


def batch_seconds(rows: Sequence[Mapping[str, Any]], memory_mb: float) -> float:
    """Seconds of one batch in a function of so much memory, from the rows of one archive on 1 and on 2 CPUs.

    Lambda gives a vCPU for 1,769 MB, so 3,008 MB lie between the two rows.
    """
    speeds = {it["cpus"]: 1 / it["batch_s"] for it in rows}
    vcpus = min(max(memory_mb / VCPU_MB, 1), 2)
    return float(1 / (speeds[1] + (vcpus - 1) * (speeds[2] - speeds[1])))


@cache
def _read(name: str) -> Json:
    path = RESULTS / name
    try:
        found: Json = json.loads(Path(path).read_bytes())
    except OSError as error:
        raise ConsoleError(f"{path} cannot be read: {error.strerror}. It holds the measured speeds.") from error
    return found
