"""The document as a page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.scaling.shapes import ASSUMED, BEFORE, GPU_TO_ZERO
from benchmarks.scaling.workloads import LENGTH_S, WORKLOADS
from benchmarks.serving.report import table

HEAD = ("p50", "p95", "p99", "most waiting", "GPUs at most", "changes", "for nothing", "dollars", "$/million")
Json = Mapping[str, Any]


def page(found: Json) -> Iterator[str]:
    """The lines of the page, in Markdown."""
    yield "# Scaling: a day of images, simulated"
    yield ""
    yield f"Machine: {found['machine']['cores']} cores of {found['machine']['cpu']}, {found['machine']['system']}. {found['date']}, {found['seconds']:.0f} s."
    yield ""
    yield f"```\n{found['command']}\n```"
    yield ""
    yield from _assumed(found)
    yield from _findings(found["rows"])
    yield "![Images waiting and GPUs wanted, over the day](images/scaling-day.svg)"
    yield ""
    yield "![GPUs wanted around a first drop, before and now](images/scaling-wake.svg)"
    yield ""
    for title, says, rows, column in _tables(found):
        yield f"## {title}"
        yield ""
        yield says
        yield ""
        yield table(("workload", "shape" if column is None else column, *HEAD), [_cells(row, column) for row in rows])
        yield ""
    yield "![Dollars and time to result of each shape](images/scaling-shapes.svg)"


def _assumed(found: Json) -> Iterator[str]:
    world, speeds = found["world"], found["speeds"]
    low, high = (round(it / 60) for it in world["cold_start_s"])
    yield (
        f"Nothing here ran on AWS. Discrete events, seed {found['seed']}: images come, minutes end, machines start and are lost. What decides about GPUs is read"
        " from `model_server/gpu-stack.yaml`, functions at once and batches from `template.yaml`, prices from `podium/costs/prices.yaml`"
        f" ({found['prices']}; {ASSUMED.gpu_machine} with {ASSUMED.disk_gb:.0f} GB, Spot or On-Demand)."
    )
    yield ""
    yield f"- **Measured**, on the machine of [serving](serving.md) and [function](function.md), {found['model']} in int8: {speeds['server']:.0f} images/s of a server on two cores, {speeds['function']:.0f} of the computing part of one function, {speeds['cold_start_s']:.1f} s of its cold start. By that, {speeds['functions_at_once']} functions at once, the default, do {speeds['functions']:.0f} images/s together."
    yield f"- **Assumed**: {world['gpu_images_per_s']:.0f} images/s of a GPU. None was ever measured here; 100 to 800 are tried below. A GPU that was off answers {low} to {high} minutes after it is wanted; its machine is paid for 15 minutes longer than it is needed; Spot takes back one in {1 / world['spot_losses_per_hour']:.0f} hours; the gate opens {world['gate_opens_s']:.0f} s after a server answers; CloudWatch knows a minute's figure {world['metric_lag_s']:.0f} s after its end. A batch spends {world['beside_s']:.2f} s beside the model, so {speeds['batches_at_once']} batches at once cannot keep two fast GPUs busy. Images that were on a lost machine are not delayed further."
    yield "- **Before**: target tracking of 2,000 messages a running task, and a step from none to one. That ECS sends no figures of a service without a running task is inferred; the fight of the two follows from it."
    yield f"- **Dollars** are of all {LENGTH_S / 3600:.0f} hours, for what differs: GPUs or Fargate ({speeds['server_cores']:.0f} vCPUs, {ASSUMED.fargate_gb:.0f} GB), classify functions, and for a server its load balancer and NAT gateway. Uploads, results and rows cost the same in every shape and are left out. Times are seconds from upload to result. *Changes*: of the number of GPUs wanted; *for nothing*: those taken back within ten minutes."
    yield ""


def _findings(rows: Sequence[Json]) -> Iterator[str]:
    def total(shape: str, name: str) -> int:
        return sum(row[name] for row in rows if row["shape"] == shape)

    yield (
        f"- In all {len(WORKLOADS)} workloads together, the number of GPUs changed {total(GPU_TO_ZERO, 'actions')} times, {total(GPU_TO_ZERO, 'flaps')} of them for nothing;"
        f" before, {total(BEFORE, 'actions')} times, {total(BEFORE, 'flaps')} for nothing."
        f" In the end, {sum(row['images'] - row['done'] for row in rows)} images were left in a queue, and {total(GPU_TO_ZERO, 'left_awake')} GPUs awake that may sleep."
    )
    for name, says in (("dollars", "Fewest dollars"), ("p95_s", "Shortest p95")):
        best: dict[str, list[str]] = {}
        for workload in WORKLOADS:
            candidates = [row for row in rows if row["workload"] == workload and row["shape"] != BEFORE]
            least = min(row[name] for row in candidates)
            for row in candidates:
                if row[name] == least:
                    best.setdefault(row["shape"], []).append(workload)
        yield f"- {says}: {'; '.join(f'{shape} ({", ".join(won)})' for shape, won in best.items())}."
    yield ""


def _tables(found: Json) -> Iterator[tuple[str, str, Sequence[Json], str | None]]:
    doubts = "".join(f" *{name}*: {make.__doc__}" for name, make in WORKLOADS.items())
    yield "Shapes", doubts.strip(), found["rows"], None
    yield (
        "Troubles",
        "The drought begins half an hour before the drop at night. That CloudWatch forgets a queue cannot happen while the gate counts its messages every minute; here it does not.",
        found["troubles"],
        "trouble",
    )
    yield (
        "Other speeds",
        "GPUs, which were not measured; vCPUs half as fast as the cores that were; and a tenth, as for a network ten times as heavy on a CPU.",
        found["speeds_tried"],
        "speed",
    )
    yield "Other settings", "Parameters of `gpu-stack.yaml`.", found["settings_tried"], "setting"


def _cells(row: Json, column: str | None) -> tuple[object, ...]:
    what = row["shape"] if column is None else row[column]
    if column in ("speed", "trouble"):
        what = f"{row['shape']}: {what}"
    gpu = row["shape"] in (GPU_TO_ZERO, BEFORE)
    return (
        row["workload"], what, *(f"{row[name]:,.0f}" for name in ("p50_s", "p95_s", "p99_s", "most_waiting")),
        row["most_tasks"] if gpu else "", row["actions"] if gpu else "", row["flaps"] if gpu else "",
        f"{row['dollars']:.2f}", f"{row['dollars'] / row['images'] * 1e6:,.2f}",
    )  # fmt: skip
