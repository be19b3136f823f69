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
