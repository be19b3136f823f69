"""The shapes as the project's templates make them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from podium.costs.forecast import Deployment
from podium.costs.pipeline import Pipeline
from podium.costs.shapes import Setting, Shape
from podium.errors import EXIT_USAGE, ConsoleError
from podium.planned.resources import Place, Resource, planned
from podium.project import ROOT

STACK = "podium"
WITH_SERVER = {
    "ModelServerUrl": "https://models.internal",
    "SubnetIds": "subnet-1,subnet-2",
    "SecurityGroupIds": "sg-1",
}
WITH_MODEL = {"ModelArchive": "models/a.mar", "ModelArchiveVersion": "v", "ModelArchiveSha256": "0" * 64}


def deployments_of(
    shapes: Sequence[Shape],
    setting: Setting,
    size_kb: float,
    *,
    backfill: bool = False,
    parameters: Mapping[str, str] | None = None,
) -> list[Deployment]:
    """Each shape with the templates of this checkout; of template.yaml with these parameters over its defaults."""
    region, chosen = setting.prices.region, tuple(sorted((parameters or {}).items()))
    return [
        Deployment(
            shape, pipeline_of(core_resources(shape, region, chosen), setting, size_kb, parameters=dict(chosen), backfill=backfill), server_resources(shape, region)
        )
        for shape in shapes
    ]  # fmt: skip


def pipeline_of(
    resources: Sequence[Resource],
    setting: Setting,
    size_kb: float,
    *,
    parameters: Mapping[str, str],
    backfill: bool = False,
) -> Pipeline:
    """The pipeline of template.yaml's resources, and of the parameters that made them."""
    servers = int(parameters.get("ModelServers", "1"))
    names = {it.logical: it for it in resources}
    return Pipeline(names, size_kb, setting.prices.prices, setting.assume, backfill, servers=servers)


@cache
def core_resources(shape: Shape, region: str, chosen: tuple[tuple[str, str], ...] = ()) -> tuple[Resource, ...]:
    """What template.yaml makes in this shape."""
    parameters = {**dict(chosen), **(WITH_MODEL if shape == "function" else WITH_SERVER)}
    return tuple(planned(ROOT / "template.yaml", Place(STACK, region), parameters))


@cache
def server_resources(shape: Shape, region: str) -> tuple[Resource, ...]:
    """The stack of the model server: the GPU's own template; of a CPU server, which has none here, the load balancer alone."""
    if shape == "function":
        return ()
    if shape == "cpu-always":
        return (Resource("Balancer", "AWS::ElasticLoadBalancingV2::LoadBalancer"),)
    template: Path = ROOT / "model_server" / "gpu-stack.yaml"
    return tuple(planned(template, Place(f"{STACK}-gpu", region), {"CoreStackName": STACK}))


def deployment_of_stack(
    model_server_url: str | None, parameters: Mapping[str, str], setting: Setting, chosen: Sequence[Shape] = ()
) -> Deployment:
    """A deployed stack's shape: what its parameters say, and of a server which one was chosen, else the GPU that scales to zero.

    Raises ConsoleError for a shape that the stack does not have.
    """
    of_stack: Shape = "function" if model_server_url is None else "gpu-to-zero"
    shape = chosen[0] if chosen else of_stack
    if (shape == "function") != (of_stack == "function"):
        has = "no model server, the function holds the model" if of_stack == "function" else "a model server"
        raise ConsoleError(f"the stack has {has}: --shape {shape} is another one.", EXIT_USAGE)
    region = setting.prices.region
    resources = planned(ROOT / "template.yaml", Place(STACK, region), parameters)
    return Deployment(
        shape, pipeline_of(resources, setting, 0.0, parameters=parameters), server_resources(shape, region)
    )
