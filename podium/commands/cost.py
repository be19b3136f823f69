"""`podium cost`: what a month of images costs in each shape, and what a batch has cost."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from podium.commands.options import AsJson, Stack
from podium.errors import EXIT_USAGE, ConsoleError

if TYPE_CHECKING:
    from podium.costs.assumptions import Assumptions
    from podium.costs.shapes import Setting, Shape


def cost(
    images: Annotated[float, typer.Option(help="Images a month.", min=1, metavar="N")] = 1_000_000,
    size: Annotated[float, typer.Option(help="Kilobytes of an image.", min=0.1, metavar="KB")] = 93,
    shape: Annotated[
        list[str] | None,
        typer.Option(
            help="function, gpu-to-zero, gpu-always or cpu-always alone, line by line; may be repeated. Else all of them.",
            metavar="SHAPE",
        ),
    ] = None,
    speed: Annotated[
        list[str] | None,
        typer.Option(
            help="Your own images a second of one function, GPU or task, such as gpu-to-zero=900; may be repeated.",
            metavar="SHAPE=N",
        ),
    ] = None,
    network: Annotated[
        Literal["nat", "endpoints", "none"],
        typer.Option(help="How a server's private subnets reach AWS; none: they can do it already."),
    ] = "nat",
    backfill: Annotated[
        bool, typer.Option("--backfill", help="The images are in a bucket already, and `podium backfill` brings them.")
    ] = False,
    assume: Annotated[
        list[str] | None,
        typer.Option(
            help="Another value of an assumption, such as drops_a_month=4 or kept_months=12; may be repeated. --json lists them.",
            metavar="NAME=VALUE",
        ),
    ] = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option(
            help="A parameter of template.yaml, such as Architecture=arm64; may be repeated.", metavar="Name=Value"
        ),
    ] = None,
    prices: Annotated[
        Path | None,
        typer.Option(help="Your own prices, over those of podium/costs/prices.yaml.", metavar="FILE"),
    ] = None,
    batch: Annotated[
        str | None, typer.Option(help="What this batch has cost, in place of a forecast.", metavar="NAME")
    ] = None,
    stack: Stack = None,
    as_json: AsJson = False,
) -> None:
    """Forecast a month's dollars in every shape, with break-evens; or with --batch, what a batch has cost."""
    from podium.costs.prices import load_prices
    from podium.costs.shapes import Setting

    if stack is not None and batch is None:
        raise ConsoleError(
            "--stack is for --batch: a forecast needs no stack. `podium deploy --plan` prices one.", EXIT_USAGE
        )
    for option, number in (("--images", images), ("--size", size)):
        if not math.isfinite(number):
            raise ConsoleError(f"{option} {number} is no number that could be priced.", EXIT_USAGE)
    shapes = tuple(_shape(it, "--shape") for it in shape or [])
    setting = Setting(load_prices(prices), _assumptions(assume or []), network, _speeds(speed or []))
    if batch is not None:
        _show_batch(batch, stack, setting, shapes, as_json=as_json)
    else:
        _show_forecast(images, size, setting, shapes, _parameters(parameter or []), backfill=backfill, as_json=as_json)


def _show_forecast(
    images: float,
    size: float,
    setting: Setting,
    chosen: Sequence[Shape],
    parameters: Mapping[str, str],
    *,
    backfill: bool,
    as_json: bool,
) -> None:
    from podium.costs.deployments import deployments_of
    from podium.costs.forecast import forecast
    from podium.costs.shapes import SHAPES
    from podium.shown.console import answer, print_json, print_line
    from podium.shown.costs import beside_each_other, forecast_document, line_by_line, sentences

    shapes = tuple(dict.fromkeys(chosen)) or SHAPES
    found = forecast(deployments_of(shapes, setting, size, backfill=backfill, parameters=parameters), setting, images)
    if as_json:
        print_json(forecast_document(found, setting.prices, setting.assume, size))
        return
    if chosen:
        for it in found.shapes:
            answer.print(line_by_line(it, images))
            print_line("")
    else:
        answer.print(beside_each_other(found))
        print_line("")
    for sentence in sentences(found, setting.prices):
        print_line(sentence)


def _show_batch(batch: str, stack: str | None, setting: Setting, chosen: Sequence[Shape], *, as_json: bool) -> None:
    from podium.batches.counts import counted, invoked
    from podium.batches.results import RowFilter, find
    from podium.connection import Connection
    from podium.costs.deployments import deployment_of_stack
    from podium.costs.ran import price_batch
    from podium.shown.console import answer, print_json, print_line, print_note
    from podium.shown.costs import ran_document, ran_table

    if len(chosen) > 1:
        raise ConsoleError("a batch ran in one shape: give --shape once, or not at all.", EXIT_USAGE)
    connection = Connection(stack)
    rows = find(connection, RowFilter(batch=batch)).rows
    if not rows:
        raise ConsoleError(
            f"no image of batch {batch!r} has a row in stack {connection.stack!r}: nothing ran that could be priced."
        )
    deployment = deployment_of_stack(connection.facts.model_server_url, connection.parameters, setting, chosen)
    counts = counted(rows, deployment.pipeline.resources["ResultsTable"])
    ran = price_batch(deployment, setting, counts, invoked(connection, counts))
    if as_json:
        print_json(ran_document(ran, batch, setting.prices))
        return
    answer.print(ran_table(ran))
    for sentence in ran.sentences:
        print_line(sentence)
    if connection.local:
        print_note("the local stack costs nothing: these are the dollars that the same would cost on AWS.")


def _parameters(pairs: Sequence[str]) -> dict[str, str]:
    from podium.project import ROOT
    from podium.template_parameters import check_parameter

    found = dict(_pair(it, "--parameter", "Architecture=arm64") for it in pairs)
    for name, value in found.items():
        check_parameter(name, value, f"--parameter {name}", ROOT / "template.yaml")
    return found


def _assumptions(pairs: Sequence[str]) -> Assumptions:
    from pydantic import ValidationError

    from podium.costs.assumptions import Assumptions
    from podium.nearest import nearest

    given = dict(_pair(it, "--assume", "drops_a_month=4") for it in pairs)
    for name in given.keys() - Assumptions.model_fields.keys():
        near = nearest(name, Assumptions.model_fields, 1, 0.5)
        hint = f"Did you mean {near[0]}?" if near else f"There are {', '.join(Assumptions.model_fields)}."
        raise ConsoleError(f"--assume: there is no assumption {name!r}. {hint}", EXIT_USAGE)
    try:
        return Assumptions.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ConsoleError(f"--assume {first['loc'][0]}={first['input']}: {first['msg']}.", EXIT_USAGE) from error


def _speeds(pairs: Sequence[str]) -> tuple[tuple[Shape, float], ...]:
    found: list[tuple[Shape, float]] = []
    for it in pairs:
        name, value = _pair(it, "--speed", "gpu-to-zero=900")
        number = _number(value)
        if number is None:
            raise ConsoleError(f"--speed {it!r}: {value!r} is no number of images a second.", EXIT_USAGE)
        found.append((_shape(name, "--speed"), number))
    return tuple(found)


def _shape(name: str, option: str) -> Shape:
    from podium.costs.shapes import SHAPES

    found = next((shape for shape in SHAPES if shape == name), None)
    if found is None:
        raise ConsoleError(f"{option}: there is no shape {name!r}, only {', '.join(SHAPES)}.", EXIT_USAGE)
    return found


def _number(text: str) -> float | None:
    """A finite number above zero; None for anything else."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if 0 < number < float("inf") else None


def _pair(text: str, option: str, such: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ConsoleError(f"{option} {text!r} must read NAME=VALUE, such as {such}.", EXIT_USAGE)
    return name.strip(), value.strip()
