"""`podium deploy --plan`: what a deployment would make or change, and what it costs. Only reads; without AWS, it compares with nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from podium.aws_account import Account, where_to_deploy
from podium.connection import LOCAL_STACK_NAME, Connection
from podium.costs.deployments import deployments_of
from podium.costs.lines import MILLION, Line
from podium.costs.planned_stack import stack_lines
from podium.costs.prices import Prices
from podium.costs.shapes import Setting
from podium.errors import EXIT_USAGE, ConsoleError
from podium.planned.changes import PlannedChange, changes
from podium.planned.resources import Place, Resource, planned, resources_of
from podium.planned.template import read_deployed
from podium.project import ROOT

SIZE_KB = 93.0  # of an image, as in `podium cost`


@dataclass(frozen=True)
class Plan:
    """A deployment before it happens."""

    place: Place
    parameters: Mapping[str, str]  # that were chosen, or that the stack keeps
    changes: tuple[PlannedChange, ...]
    exists: bool | None  # whether there is such a stack; None: nobody could be asked
    why_unknown: str  # then, why
    has_server: bool
    with_server_month: float  # dollars of a month in which no image comes, with a GPU stack that scales to zero
    lines: tuple[Line, ...]
    prices: Prices

    @property
    def idle_month(self) -> float:
        """Dollars of a month in which no image comes."""
        return sum(line.a_month for line in self.lines)

    @property
    def a_million(self) -> float:
        """Dollars for a million images, kept for a month."""
        return sum(line.each_image for line in self.lines) * MILLION


def plan(stack: str | None, chosen: Mapping[str, str], setting: Setting) -> Plan:
    """The plan of a stack on AWS, or without a name of any stack of this template.

    Asks AWS who the person is and whether the stack exists; if that fails, the plan is that of a new stack.
    """
    if stack is None:
        place = Place(LOCAL_STACK_NAME, setting.prices.region)
        return _made(place, chosen, setting, [], exists=None, why_unknown="--stack NAME compares with a stack on AWS")
    try:
        there = where_to_deploy(stack)
    except ConsoleError as error:
        if error.exit_code == EXIT_USAGE:
            raise  # the name itself cannot be
        return _made(Place(stack, setting.prices.region), chosen, setting, [], exists=None, why_unknown=str(error))
    return compared(Connection(stack), there, chosen, setting)


def compared(connection: Connection, there: Account, chosen: Mapping[str, str], setting: Setting) -> Plan:
    """The plan against the stack as it is deployed, if it is; its parameters are kept, as a deployment keeps them."""
    place = Place(connection.stack, there.region, there.account)
    if not connection.is_deployed:
        return _made(place, chosen, setting, [], exists=False)
    kept = connection.parameters
    template = connection.cloudformation.get_template(StackName=place.stack, TemplateStage="Processed")["TemplateBody"]
    deployed = resources_of(read_deployed(template), place, kept)
    return _made(place, {**kept, **chosen}, setting, deployed, exists=True)


def _made(
    place: Place,
    parameters: Mapping[str, str],
    setting: Setting,
    deployed: list[Resource],
    exists: bool | None,
    why_unknown: str = "",
) -> Plan:
    resources = planned(ROOT / "template.yaml", place, parameters)
    idle = Setting(
        setting.prices, setting.assume.model_copy(update={"drops_a_month": 0}), setting.network, setting.speeds
    )
    return Plan(
        place=place,
        parameters=parameters,
        changes=tuple(changes(resources, deployed)),
        exists=exists,
        why_unknown=why_unknown,
        has_server=any(it.logical == "GateFunction" for it in resources),
        with_server_month=deployments_of(("gpu-to-zero",), idle, SIZE_KB)[0].month(idle, 0),
        lines=tuple(stack_lines(resources, idle, SIZE_KB, parameters)),
        prices=setting.prices,
    )


def with_archive(chosen: Mapping[str, str], archive: Path | None) -> dict[str, str]:
    """The parameters, and those that `podium deploy --archive` would add once it is uploaded."""
    if archive is None:
        return dict(chosen)
    from podium.published import FOLDER, NO_MODEL, read_for_function

    model = read_for_function(archive)
    name = f"{model.name}-{model.version}.mar"
    later = {"ModelArchive": f"{FOLDER}{name}", "ModelArchiveVersion": "VERSION", "ModelArchiveSha256": "SHA256"}
    return {**NO_MODEL, **chosen, **later, "ModelName": model.name, "ModelVersion": model.version}
