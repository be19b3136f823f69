"""One measured row: a server, an engine, a load, and the figures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.serving.load import Outcome
from benchmarks.serving.machine import Usage


@dataclass(frozen=True)
class Row:
    """The figures of one server under one load, in one window."""

    server: str
    engine: str
    setting: str  # which of the server's configurations
    concurrency: int
    images_per_request: int
    images_per_s: float
    p50_ms: float | None  # of requests that were answered 200
    p99_ms: float | None
    statuses: dict[str, int]
    cut: int
    same_label: float | None  # share of the photos whose best class is the engine's own, without a server
    server_cores: float
    client_cores: float
    others_cores: float
    memory_mb: float
    worker_mb: float
    tries: int  # 2 or more: other processes used the machine, and this is the least disturbed window


def row_of(
    outcome: Outcome, used: Usage, *, server: str, engine: str, setting: str, concurrency: int, images_per_request: int,
    same_label: float | None, memory_mb: Sequence[float], workers: int, tries: int,
) -> Row:  # fmt: skip
    """The figures of one window; `memory_mb` is that of each process, largest first."""
    return Row(
        server=server,
        engine=engine,
        setting=setting,
        concurrency=concurrency,
        images_per_request=images_per_request,
        images_per_s=round(outcome.images / outcome.seconds, 1) if outcome.seconds else 0.0,
        p50_ms=_latency(outcome, 50),
        p99_ms=_latency(outcome, 99),
        statuses={str(status): count for status, count in sorted(outcome.statuses.items())},
        cut=outcome.cut,
        same_label=same_label,
        server_cores=round(used.server, 2),
        client_cores=round(outcome.client_cpu_s / outcome.seconds, 4) if outcome.seconds else 0.0,
        others_cores=round(used.others, 2),
        memory_mb=round(sum(memory_mb)),
        worker_mb=round(sum(memory_mb[:workers]) / workers),
        tries=tries,
    )


def _latency(outcome: Outcome, percent: float) -> float | None:
    return round(percentile(outcome.latencies_ms, percent), 1) if outcome.latencies_ms else None


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that `percent` % of them do not exceed (nearest rank); `values` must not be empty."""
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


def errors(row: Row) -> int:
    """Requests of the row that were not answered 200."""
    return row.cut + sum(count for status, count in row.statuses.items() if status != "200")
