"""The four shapes: what answers, what it costs for each image, and what it costs while nothing comes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from podium.costs.assumptions import HOURS_A_MONTH, Assumptions
from podium.costs.function_time import dollars_of
from podium.costs.lines import Line
from podium.costs.measured import Speed, function_cold_start, function_speed, server_speed
from podium.costs.pipeline import GB, Pipeline
from podium.costs.prices import Prices

Shape = Literal["function", "gpu-to-zero", "gpu-always", "cpu-always"]
Network = Literal["nat", "endpoints", "none"]
SHAPES: tuple[Shape, ...] = get_args(Shape)


@dataclass(frozen=True)
class Setting:
    """What the shapes' arithmetic needs beside the pipeline."""

    prices: Prices
    assume: Assumptions
    network: Network = "nat"
    speeds: tuple[tuple[Shape, float], ...] = ()  # a person's own, images a second

    def speed(self, shape: Shape, pipeline: Pipeline) -> Speed:
        """Of one function, one GPU or one task."""
        own = dict(self.speeds).get(shape)
        if own is not None:
            return Speed(images_per_s=own, cores=0, source="given with --speed", measured=False)
        if shape == "function":
            return function_speed(pipeline.resources["ClassifyFunction"].properties["MemorySize"])
        if shape == "cpu-always":
            return server_speed()
        return Speed(
            images_per_s=self.assume.gpu_images_a_second, cores=0, source="assumed: no GPU was measured", measured=False
        )


def shape_lines(shape: Shape, pipeline: Pipeline, setting: Setting, images: float) -> Iterator[Line]:
    """The lines of what computes, with so many images a month."""
    speed = setting.speed(shape, pipeline)
    if shape == "function":
        yield from function_lines(pipeline, setting, speed)
        return
    yield from waiting_lines(pipeline, setting, speed)
    yield from _network(pipeline, setting)
    yield Line(
        name="container image", kind="standing", a_month=setting.assume.image_gb * setting.prices.prices.ecr_gb_months.each,
        basis=f"{setting.assume.image_gb:g} GB in ECR",
    )  # fmt: skip
    match shape:
        case "gpu-to-zero":
            yield from _gpu_to_zero(pipeline, setting, speed)
        case "gpu-always":
            machine = setting.prices.machine(setting.assume.gpu_machine).on_demand.each + _disk(setting)
            yield _always(
                "GPU, all month",
                f"{setting.assume.gpu_machine} on demand with its disk",
                machine,
                pipeline.served_per_s(speed.images_per_s),
                setting,
                images,
            )
        case "cpu-always":
            yield _always(
                "CPU server, all month",
                f"Fargate task of {speed.cores or 2:.0f} vCPUs and {setting.assume.fargate_gb:g} GB",
                _task_hour(setting, speed),
                pipeline.served_per_s(speed.images_per_s),
                setting,
                images,
            )


def metrics_line(pipeline: Pipeline, setting: Setting, images: float, images_per_s: float) -> Line:
    """Custom metrics are paid by the hour in which they have values: at least one for each drop."""
    hours = min(HOURS_A_MONTH, max(setting.assume.drops_a_month, images / (images_per_s * 3600)))
    count = setting.assume.classify_metrics
    return Line(
        name="metrics of the images", kind="standing",
        a_month=count * pipeline.prices.metric_months.each * hours / HOURS_A_MONTH,
        basis=f"{count} custom metrics in {hours:,.0f} of 730 hours",
    )  # fmt: skip


def most_images_a_month(shape: Shape, pipeline: Pipeline, speed: Speed) -> float:
    """What the functions at once, or one GPU, can do at all hours; the always-on ones add machines."""
    size, month_s = pipeline.images_an_invocation, HOURS_A_MONTH * 3600
    if shape == "function":
        return pipeline.at_once * size / function_seconds(pipeline, speed) * month_s
    return pipeline.served_per_s(speed.images_per_s) * month_s if shape == "gpu-to-zero" else math.inf


def function_seconds(pipeline: Pipeline, speed: Speed) -> float:
    """Of one invocation of the function that holds the model, with a full SQS batch."""
    return pipeline.images_an_invocation / speed.images_per_s + pipeline.assume.beside_ms / 1000


def function_lines(pipeline: Pipeline, setting: Setting, speed: Speed) -> Iterator[Line]:
    """The classify function that holds the model."""
    size, function, assume = pipeline.images_an_invocation, pipeline.resources["ClassifyFunction"], setting.assume
    seconds = function_seconds(pipeline, speed)
    yield Line(
        name="classify function", kind="compute",
        each_image=dollars_of(setting.prices.prices, function, seconds) / size,
        basis=f"{seconds:.2f} s of {function.properties['MemorySize']:,} MB for {size} images, {assume.beside_ms:.0f} ms of it beside the model",
    )  # fmt: skip
    cold = function_cold_start()
    a_start = dollars_of(setting.prices.prices, function, cold.seconds + assume.archive_fetch_s)
    starts = assume.drops_a_month * pipeline.at_once
    yield Line(
        name="cold starts", kind="standing", a_month=starts * a_start,
        basis=f"{starts:,.0f} of {cold.seconds + assume.archive_fetch_s:.1f} s: {pipeline.at_once} functions a drop",
    )  # fmt: skip


def waiting_lines(pipeline: Pipeline, setting: Setting, speed: Speed) -> Iterator[Line]:
    """The classify function that waits for a server: as many at once as the images that the server has, by Little's law."""
    size, function = pipeline.images_an_invocation, pipeline.resources["ClassifyFunction"]
    seconds = pipeline.at_once / pipeline.servers * size / pipeline.served_per_s(speed.images_per_s)
    yield Line(
        name="classify function", kind="compute",
        each_image=dollars_of(setting.prices.prices, function, seconds) / size,
        basis=f"{seconds:.2f} s of {function.properties['MemorySize']:,} MB for {size} images, most of it waiting for the server",
    )  # fmt: skip


def _network(pipeline: Pipeline, setting: Setting) -> Iterator[Line]:
    prices, assume = setting.prices.prices, setting.assume
    yield Line(
        name="load balancer, images", kind="compute", each_image=pipeline.size_kb * 1000 / GB * prices.alb_lcu_hours.each,
        basis=f"{pipeline.size_kb:g} KB an image, 1 GB an LCU-hour",
    )  # fmt: skip
    if setting.network == "nat":
        a_month = HOURS_A_MONTH * (prices.nat_hours.each + prices.ipv4_hours.each)
        yield Line(
            name="NAT gateway",
            kind="standing",
            a_month=a_month,
            basis="1 with its address, 730 h; S3's bytes go by a gateway endpoint",
        )
    if setting.network == "endpoints":
        count = assume.endpoints * assume.zones
        yield Line(
            name="interface endpoints", kind="standing", a_month=count * HOURS_A_MONTH * prices.endpoint_hours.each,
            basis=f"{assume.endpoints} in {assume.zones} zones, 730 h",
        )  # fmt: skip


def _gpu_to_zero(pipeline: Pipeline, setting: Setting, speed: Speed) -> Iterator[Line]:
    assume = setting.assume
    an_hour = setting.prices.machine(assume.gpu_machine).spot.each + _disk(setting)
    images_per_s = pipeline.served_per_s(speed.images_per_s)
    yield Line(
        name="GPU, while it works", kind="compute", each_image=an_hour / 3600 / images_per_s,
        basis=f"{assume.gpu_machine} Spot, {images_per_s:.0f} images/s: so many the functions hand over",
    )  # fmt: skip
    minutes = assume.wake_min + assume.idle_min
    yield Line(
        name="GPU, waking and idle", kind="standing", a_month=assume.drops_a_month * minutes / 60 * an_hour,
        basis=f"{assume.drops_a_month:g} wakes of {assume.wake_min:g} min, each with {assume.idle_min:g} min idle at its end",
    )  # fmt: skip


def _always(name: str, what: str, an_hour: float, images_per_s: float, setting: Setting, images: float) -> Line:
    most = images_per_s * setting.assume.utilisation * HOURS_A_MONTH * 3600
    count = max(1, math.ceil(images / most))
    return Line(
        name=name,
        kind="standing",
        a_month=count * HOURS_A_MONTH * an_hour,
        basis=f"{count} {what}, 730 h at {an_hour:.4f}",
    )


def _task_hour(setting: Setting, speed: Speed) -> float:
    prices = setting.prices.prices
    return (
        speed.cores or 2
    ) * prices.fargate_vcpu_hours.each + setting.assume.fargate_gb * prices.fargate_gb_hours.each


def _disk(setting: Setting) -> float:
    """Dollars an hour of a machine's disk."""
    return setting.assume.disk_gb * setting.prices.prices.ebs_gp3_gb_months.each / HOURS_A_MONTH
