"""What the resources of one planned stack would cost: while no image comes, and for a million of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from podium.costs.deployments import pipeline_of
from podium.costs.lines import Line
from podium.costs.shapes import Setting, Shape, function_lines, metrics_line, waiting_lines
from podium.costs.standing import standing_lines
from podium.planned.resources import Resource


def stack_lines(
    resources: Sequence[Resource], setting: Setting, size_kb: float, parameters: Mapping[str, str]
) -> list[Line]:
    """The lines of template.yaml's resources alone; a model server of its own is another stack, and is not in them."""
    pipeline = pipeline_of(resources, setting, size_kb, parameters=parameters)
    shape: Shape = "gpu-to-zero" if "GateFunction" in pipeline.resources else "function"
    speed = setting.speed(shape, pipeline)
    computes = function_lines if shape == "function" else waiting_lines
    return [
        *pipeline.lines(),
        *computes(pipeline, setting, speed),
        metrics_line(pipeline, setting, 0, speed.images_per_s),
        *standing_lines(resources, setting.prices.prices, setting.assume),
    ]
