"""docs/cost.md quotes what `podium cost` says."""

from __future__ import annotations

import re

import pytest

from podium.costs.assumptions import Assumptions
from podium.costs.deployments import deployments_of
from podium.costs.forecast import forecast
from podium.costs.prices import load_prices
from podium.costs.shapes import SHAPES, Setting
from podium.project import ROOT

SETTING = Setting(load_prices(), Assumptions())
ROWS = re.findall(r"^\| ([\d,]+) \|(.*)\|$", (ROOT / "docs" / "cost.md").read_text(encoding="utf-8"), re.MULTILINE)


def number(text: str) -> float:
    return float(text.replace(",", ""))


@pytest.mark.parametrize(("images", "cells"), ROWS)
def test_the_pages_months_are_the_forecasts(images: str, cells: str) -> None:
    found = forecast(deployments_of(SHAPES, SETTING, 93), SETTING, number(images))
    quoted = [number(cell) for cell in cells.split("|")]
    assert quoted == pytest.approx([*(it.month for it in found.shapes), found.rekognition], rel=0.05)


def test_the_page_has_a_table_of_months() -> None:
    assert len(ROWS) == 4


def test_the_pages_about_scale_quote_what_the_queue_costs() -> None:
    """10^9 images of a bucket, without their storage; alone in an object, and together."""
    months = []
    for given in ({}, {"Results": "lines"}):
        [function] = forecast(
            deployments_of(("function",), SETTING, 93, backfill=True, parameters=given), SETTING, 1e9
        ).shapes
        months.append(sum(line.month(1e9) for line in function.lines if not line.name.startswith("storage")))
    scale = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
    [cells] = re.findall(r"^\| any \| ([\d.]+) \| ([\d.]+) \|", scale, re.MULTILINE)
    assert [number(cell) * 1000 for cell in cells] == pytest.approx(months, rel=0.005)
    bulk = (ROOT / "docs" / "results" / "bulk.md").read_text(encoding="utf-8")
    totals = re.findall(r"^\| through the queue.*\| ([\d,]+) \|$", bulk, re.MULTILINE)
    assert [number(total) for total in totals] == pytest.approx(months, rel=0.005)
