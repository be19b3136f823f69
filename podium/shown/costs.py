"""A forecast, and what a batch has cost, as a person and a program read them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict

from rich.table import Table

from podium.costs.assumptions import Assumptions
from podium.costs.forecast import BreakEven, Forecast, Pair, ShapeForecast
from podium.costs.lines import MILLION, Line
from podium.costs.prices import Prices
from podium.costs.ran import Ran
from podium.shown.console import plain_table

LISTED = ("images", "care", "compute", "standing", "kept")
NOT_COUNTED = "Not counted: taxes, free tiers, what leaves AWS, requests that are tried again, KMS, ECS Container Insights and traffic between zones."


def money(dollars: float) -> str:
    """Dollars for a table: cents, more digits only where cents would hide the price."""
    return f"{dollars:,.2f}" if dollars >= 0.005 or dollars == 0 else f"{dollars:.4f}"


def count(images: float) -> str:
    """A rounded number of images: 1,240,000 becomes 1.24 million."""
    if images >= 1e8:
        return f"{images / 1e6:,.0f} million"
    for size, word in ((1e6, "million"), (1e3, "thousand")):
        if images >= size:
            return f"{images / size:.3g} {word}"
    return f"{images:.0f}"


def beside_each_other(found: Forecast) -> Table:
    """Every line of every shape, in dollars a month."""
    table = plain_table("dollars a month", numbers=[it.shape for it in found.shapes])
    for kind in LISTED:
        for name in _names(found.shapes, kind):
            table.add_row(name, *(_cell(it.lines, name, found.images) for it in found.shapes))
    table.add_section()
    table.add_row("a month in all", *(money(it.month) for it in found.shapes), style="bold")
    table.add_row("a million of them", *(money(it.a_million(found.images)) for it in found.shapes))
    table.add_row("a month without images", *(money(it.idle_month) for it in found.shapes))
    return table


def line_by_line(shape: ShapeForecast, images: float) -> Table:
    """Every line of one shape with its arithmetic."""
    table = plain_table(shape.shape, numbers=["a million", "a month"])
    table.add_column("how")
    for line in _sorted(shape.lines):
        table.add_row(
            line.name, money(line.a_million) if line.each_image else "", money(line.month(images)), line.basis
        )
    table.add_section()
    table.add_row("in all", money(sum(it.a_million for it in shape.lines)), money(shape.month), "", style="bold")
    table.add_row("without images", "", money(shape.idle_month), "")
    return table


def sentences(found: Forecast, prices: Prices) -> Iterable[str]:
    """What stands under the tables: Rekognition, break-evens, speeds, prices."""
    yield (
        f"Amazon Rekognition's DetectLabels: {money(found.rekognition)} dollars a month for {count(found.images)} images by list price, "
        "beside their upload and storage; it has its own labels, and not your classes."
    )
    yield ""
    yield "Which is cheaper, by images a month:"
    yield from (f"  {_pair(pair)}" for pair in found.pairs)
    yield ""
    yield "Images a second:"
    for shape in found.shapes:
        most = "" if math.isinf(shape.most_images) else f"; at most {count(shape.most_images)} images a month"
        yield f"  {shape.shape}: {shape.speed.images_per_s:,.0f} ({shape.speed.source}){most}"
    yield ""
    yield f"Prices of {prices.region}, compared on {prices.checked}. Not confirmed by two sources: {', '.join(prices.unconfirmed)}."
    yield NOT_COUNTED


def forecast_document(found: Forecast, prices: Prices, assume: Assumptions, size_kb: float) -> dict[str, object]:
    """The whole forecast for JSON."""
    return {
        "images": found.images,
        "size_kb": size_kb,
        "shapes": [_shape_document(it, found.images) for it in found.shapes],
        "rekognition_detect_labels": found.rekognition,
        "cheapest": [asdict(it) for it in found.cheapest],
        "break_evens": [asdict(it) for it in found.pairs],
        "assumptions": assume.model_dump(mode="json"),
        "prices": prices.model_dump(mode="json"),
        "unconfirmed": prices.unconfirmed,
    }


def ran_table(ran: Ran) -> Table:
    """What a batch has cost."""
    digits = 2 if ran.dollars >= 1 else 6
    table = plain_table("what ran", numbers=["dollars"])
    table.add_column("how")
    for line in ran.lines:
        table.add_row(line.name, f"{line.month(ran.images):,.{digits}f}", line.basis)
    table.add_section()
    a_million = f"{money(ran.dollars / ran.images * MILLION)} for a million such images"
    table.add_row("in all", f"{ran.dollars:,.{digits}f}", a_million, style="bold")
    table.add_row(
        "each month it is kept", f"{ran.kept_a_month:,.{digits}f}", "images, results, rows, and the hourly lists"
    )
    return table


def ran_document(ran: Ran, batch: str, prices: Prices) -> dict[str, object]:
    """The same for JSON."""
    return {
        "batch": batch, "images": ran.images, "dollars": ran.dollars, "kept_a_month": ran.kept_a_month,
        "lines": [{"name": it.name, "dollars": it.month(ran.images), "basis": it.basis} for it in ran.lines],
        "shape": ran.shape, "measured_here": ran.measured_here, "sentences": list(ran.sentences),
        "prices": {"region": prices.region, "checked": f"{prices.checked}"},
    }  # fmt: skip


def _names(shapes: Sequence[ShapeForecast], kind: str) -> list[str]:
    return list(dict.fromkeys(line.name for it in shapes for line in it.lines if line.kind == kind))


def _sorted(lines: Iterable[Line]) -> list[Line]:
    return sorted(lines, key=lambda line: LISTED.index(line.kind))


def _cell(lines: Iterable[Line], name: str, images: float) -> str:
    found = [line.month(images) for line in lines if line.name == name]
    return money(sum(found)) if found else "-"


def _pair(pair: Pair) -> str:
    if not pair.break_evens:
        return f"{pair.few} is cheaper than {pair.other}, however many there are"
    first: BreakEven = pair.break_evens[0]
    return f"{pair.few} up to {count(first.images)}, then {pair.other}"


def _shape_document(it: ShapeForecast, images: float) -> dict[str, object]:
    return {
        "shape": it.shape, "month": it.month, "a_million": it.a_million(images), "idle_month": it.idle_month,
        "most_images_a_month": None if math.isinf(it.most_images) else it.most_images,
        "speed": it.speed.model_dump(mode="json"),
        "lines": [{**line.model_dump(mode="json"), "month": line.month(images)} for line in it.lines],
    }  # fmt: skip
