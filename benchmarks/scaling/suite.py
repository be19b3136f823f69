"""Every simulation of the page, as one document."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from benchmarks.scaling.shapes import BEFORE, CPU_ALWAYS, FUNCTION, GPU_ALWAYS, GPU_TO_ZERO, SHAPES, Row, Study
from benchmarks.scaling.template import batches_at_once, classify_function, functions_at_once, read_scaling
from benchmarks.scaling.workloads import WORKLOADS, Arrivals, arrivals
from podium.costs.measured import MODEL, function_cold_start, function_speed, server_speed

HOUR = 3600.0
DROUGHT = ((25.5 * HOUR, 28.5 * HOUR),)
GPU_SPEEDS = (100.0, 200.0, 400.0, 800.0)
PLOTTED_MINUTES = 3
WAKE = (0.75 * HOUR, 2.25 * HOUR)
NIGHT = (26 * HOUR, 27 * HOUR)
Json = dict[str, Any]


def simulate_all(study: Study) -> Json:
    """All tables and what the plots draw."""
    coming = {name: arrivals(name, study.seed) for name in WORKLOADS}
    rows = {(name, shape): study.row(shape, name, coming[name]) for name in WORKLOADS for shape in SHAPES}
    world = study.world
    return {
        "seed": study.seed,
        "model": MODEL,
        "speeds": _speeds(study),
        "world": {name: getattr(world, name) for name in world.__dataclass_fields__},
        "rows": [_figures(row) for row in rows.values()],
        "troubles": list(_troubles(study, coming)),
        "speeds_tried": list(_speeds_tried(study, coming)),
        "settings_tried": list(_settings_tried(study, coming)),
        "day": {shape: _trace(rows["day", shape]) for shape in SHAPES},
        "night": {shape: _waiting(rows["night", shape]) for shape in SHAPES},
        "wake": {shape: _changes(rows["rare", shape]) for shape in (GPU_TO_ZERO, BEFORE)},
    }


def _speeds(study: Study) -> Json:
    function, at_once = classify_function(), functions_at_once()
    server = server_speed()
    return {
        "server": server.images_per_s,
        "server_cores": server.cores,
        "function": function_speed(function["with_model_mb"]).images_per_s,
        "cold_start_s": function_cold_start().seconds,
        "functions_at_once": at_once,
        "functions": at_once * function["batch"] / study.batch_in_function_s,
        "batches_at_once": batches_at_once(read_scaling().most_tasks),
    }


def _figures(row: Row, **more: object) -> Json:
    outcome, bill = row.outcome, row.bill
    return {
        "workload": row.workload, "shape": row.shape, **more, "images": outcome.images, "done": outcome.done,
        "p50_s": round(outcome.p50, 1), "p95_s": round(outcome.p95, 1), "p99_s": round(outcome.p99, 1),
        "most_waiting": round(outcome.most_waiting), "most_tasks": max((after for *_, after in outcome.actions), default=0),
        "actions": len(outcome.actions), "flaps": outcome.flaps, "left_awake": outcome.moments[-1].desired, "lost_machines": outcome.lost_machines,
        "gpu_hours": round(sum(outcome.hours.values()), 2) if outcome.hours else 0.0,
        "compute": round(bill.compute, 3), "functions": round(bill.functions, 3), "network": round(bill.network, 3),
        "dollars": round(bill.dollars, 2),
    }  # fmt: skip


def _troubles(study: Study, coming: dict[str, Arrivals]) -> Iterator[Json]:
    world = study.world
    inactive = replace(world, queue_stays_active=False)
    for trouble, workload, shape, changed in (
        ("none", "trickle", GPU_TO_ZERO, world),
        ("Spot takes back a machine every two hours", "trickle", GPU_TO_ZERO, replace(world, spot_losses_per_hour=0.5)),
        ("none", "day", GPU_TO_ZERO, world),
        ("no Spot for 3 h at night, then On-Demand", "day", GPU_TO_ZERO, replace(world, droughts=DROUGHT)),
        ("no Spot for 3 h at night, and nothing else", "day", GPU_TO_ZERO, replace(world, droughts=DROUGHT, fallback_after_s=None)),
        ("none", "rare", GPU_TO_ZERO, world),
        ("CloudWatch forgets the queue after 6 h", "rare", GPU_TO_ZERO, inactive),
        ("CloudWatch forgets the queue after 6 h", "rare", BEFORE, inactive),
    ):  # fmt: skip
        yield _figures(replace(study, world=changed).row(shape, workload, coming[workload]), trouble=trouble)


def _speeds_tried(study: Study, coming: dict[str, Arrivals]) -> Iterator[Json]:
    for workload in ("bursts", "night"):
        for speed in GPU_SPEEDS:
            faster = replace(study, world=replace(study.world, gpu_images_per_s=speed))
            for shape in (GPU_TO_ZERO, GPU_ALWAYS):
                yield _figures(faster.row(shape, workload, coming[workload]), speed=f"{speed:.0f} images/s of a GPU")
        for share in (1.0, 0.5, 0.1):
            for shape in (CPU_ALWAYS, FUNCTION):
                slower = replace(study, speed=share).row(shape, workload, coming[workload])
                yield _figures(slower, speed=f"{share:.0%} of what was measured")


def _settings_tried(study: Study, coming: dict[str, Arrivals]) -> Iterator[Json]:
    for speed in (100.0, 400.0):
        slower = replace(study, world=replace(study.world, gpu_images_per_s=speed))
        for messages in (2_000, 10_000, 30_000, 100_000):
            row = slower.row(GPU_TO_ZERO, "bursts", coming["bursts"], MessagesPerTask=messages)
            yield _figures(row, setting=f"MessagesPerTask {messages:,}, {speed:.0f} images/s of a GPU")
    for workload in ("bursts", "on and off"):
        for seconds in (300, 600, 900, 1800):
            row = study.row(GPU_TO_ZERO, workload, coming[workload], IdleSeconds=seconds)
            yield _figures(row, setting=f"IdleSeconds {seconds}")


def _trace(row: Row) -> list[list[float]]:
    """Hours, images waiting, GPUs wanted, GPUs that answer; the highest backlog of every few minutes."""
    moments = row.outcome.moments
    parts = (moments[at : at + PLOTTED_MINUTES] for at in range(0, len(moments), PLOTTED_MINUTES))
    return [
        [round(part[-1].at / HOUR, 3), round(max(it.backlog for it in part)), part[-1].desired, part[-1].ready]
        for part in parts
    ]


def _waiting(row: Row) -> list[list[float]]:
    """Minutes after the drop at night began, and images waiting."""
    start, end = NIGHT
    return [[round((it.at - start) / 60, 2), round(it.backlog)] for it in row.outcome.moments if start <= it.at <= end]


def _changes(row: Row) -> Json:
    """Around the first drop of a rare day: minutes and GPUs wanted, and minutes and GPUs that answer."""
    start, end = WAKE
    within = [it for it in row.outcome.actions if start <= it[0] <= end]
    moments = [it for it in row.outcome.moments if start <= it.at <= end]
    return {
        "wanted": [[round((at - HOUR) / 60, 2), after] for at, _, after in within],
        "ready": [[round((it.at - HOUR) / 60, 2), it.ready] for it in moments],
    }
