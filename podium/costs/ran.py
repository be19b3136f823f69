"""What a batch has cost: its own counts where there are any, the arithmetic of a forecast where not."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import datetime

from podium.costs.forecast import Deployment
from podium.costs.function_time import dollars_of
from podium.costs.lines import Line, month_of
from podium.costs.shapes import Setting, Shape


@dataclass(frozen=True)
class Counted:
    """A batch by its rows."""

    images: int
    image_bytes: int
    write_units: int  # of all its rows, in the table and its indexes
    began: datetime
    ended: datetime


@dataclass(frozen=True)
class Invoked:
    """The classify function's own counts of that time, and which share of its images was the batch's."""

    invocations: float
    seconds: float
    share: float = 1.0


@dataclass(frozen=True)
class Ran:
    """A batch, in dollars; storage and other monthly costs are apart."""

    images: int
    shape: Shape
    lines: tuple[Line, ...]
    kept_a_month: float
    measured_here: bool  # the function's time was counted by AWS, and is no figure from elsewhere
    sentences: tuple[str, ...]

    @property
    def dollars(self) -> float:
        """All lines."""
        return month_of(self.lines, self.images)


def price_batch(deployment: Deployment, setting: Setting, counted: Counted, invoked: Invoked | None) -> Ran:
    """Price a batch that ran in this deployment."""
    pipeline = replace(
        deployment.pipeline,
        size_kb=counted.image_bytes / counted.images / 1000,
        counted_units=counted.write_units / counted.images,
    )
    lines = replace(deployment, pipeline=pipeline).lines(one_month := _one_drop(setting), counted.images)
    ran = [line for line in lines if line.kind in {"images", "care", "compute"} or line.name == "GPU, waking and idle"]
    ran += [_starts(line, deployment, counted) for line in lines if line.name == "cold starts"]
    if invoked is not None:
        ran = [line for line in ran if line.name != "classify function"] + [
            _counted_time(deployment, one_month, invoked)
        ]
    return Ran(
        images=counted.images,
        shape=deployment.shape,
        lines=tuple(ran),
        kept_a_month=month_of((line for line in lines if line.kind == "kept"), counted.images),
        measured_here=invoked is not None,
        sentences=tuple(_sentences(deployment, setting, invoked)),
    )


def _one_drop(setting: Setting) -> Setting:
    return replace(setting, assume=setting.assume.model_copy(update={"drops_a_month": 1, "kept_months": 1}))


def _starts(line: Line, deployment: Deployment, counted: Counted) -> Line:
    """No more functions start than there are SQS batches."""
    pipeline = deployment.pipeline
    share = min(1.0, math.ceil(counted.images / pipeline.images_an_invocation) / pipeline.at_once)
    most = round(share * pipeline.at_once)
    return line.model_copy(update={"a_month": line.a_month * share, "basis": f"{most} new functions, if none was warm"})


def _counted_time(deployment: Deployment, setting: Setting, invoked: Invoked) -> Line:
    function = deployment.pipeline.resources["ClassifyFunction"]
    prices = setting.prices.prices
    whole = dollars_of(prices, function, invoked.seconds) + (invoked.invocations - 1) * prices.lambda_requests.each
    share = "" if invoked.share >= 1 else f", {invoked.share:.0%} of them for this batch"
    return Line(
        name="classify function", kind="compute", a_month=whole * invoked.share,
        basis=f"{invoked.invocations:,.0f} invocations, {invoked.seconds:,.1f} s of {function.properties['MemorySize']:,} MB, counted by CloudWatch{share}",
    )  # fmt: skip


def _sentences(deployment: Deployment, setting: Setting, invoked: Invoked | None) -> list[str]:
    found = []
    if invoked is None:
        found.append(
            "CloudWatch has no durations of the classify function for that time: its line is by the forecast's arithmetic."
        )
    if deployment.shape != "function":
        speed = setting.speed(deployment.shape, deployment.pipeline)
        found.append(f"The server's line is arithmetic: {speed.images_per_s:g} images a second ({speed.source}).")
    return found
