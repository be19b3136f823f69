"""The forecast adds its lines up, and finds where another shape becomes cheaper."""

from __future__ import annotations

from pathlib import Path

import pytest

from podium.costs.assumptions import Assumptions
from podium.costs.deployments import deployments_of
from podium.costs.forecast import cheapest, forecast
from podium.costs.prices import load_prices
from podium.costs.rekognition import rekognition_dollars
from podium.costs.shapes import SHAPES, Setting

PRICES = load_prices()
SETTING = Setting(PRICES, Assumptions())


def test_rekognition_is_priced_by_tiers() -> None:
    tiers = PRICES.rekognition
    assert rekognition_dollars(1, tiers) == pytest.approx(0.001)
    assert rekognition_dollars(1_000_000, tiers) == pytest.approx(1000)
    assert rekognition_dollars(6_000_000, tiers) == pytest.approx(1000 + 3200 + 600)
    assert rekognition_dollars(36_000_000, tiers) == pytest.approx(1000 + 3200 + 18000 + 250)


def test_a_break_even_is_where_both_cost_the_same() -> None:
    (found,) = cheapest({"by image": lambda n: n * 2e-6, "by month": lambda n: 50 + n * 1e-6})
    assert found.images == pytest.approx(50_000_000, rel=1e-6)
    assert (found.before, found.after) == ("by image", "by month")


def test_a_shape_that_is_always_cheaper_has_no_break_even() -> None:
    assert cheapest({"one": lambda n: n, "two": lambda n: n + 1}) == []


def test_a_month_is_the_sum_of_its_lines_and_an_idle_month_has_neither_images_nor_wakes() -> None:
    found = forecast(deployments_of(SHAPES, SETTING, 93), SETTING, 1e6)
    for shape in found.shapes:
        assert shape.month == pytest.approx(sum(it.a_month + it.each_image * 1e6 for it in shape.lines))
        woken = {"GPU, waking and idle", "cold starts", "metrics of the images"}
        idle = sum(it.a_month for it in shape.lines if it.name not in woken)
        assert shape.idle_month == pytest.approx(idle)


def test_a_slow_model_is_cheaper_on_a_gpu_from_some_number_of_images_on() -> None:
    slow = Setting(PRICES, Assumptions(), speeds=(("function", 8.0),))
    found = forecast(deployments_of(["function", "gpu-to-zero"], slow, 93), slow, 1e6)
    pair = next(it for it in found.pairs if {it.few, it.other} == {"function", "gpu-to-zero"})
    function, gpu = deployments_of(["function", "gpu-to-zero"], slow, 93)
    images = pair.break_evens[0].images
    assert pair.few == "function"
    assert function.month(slow, images) == pytest.approx(gpu.month(slow, images), rel=1e-6)
    assert function.month(slow, images / 2) < gpu.month(slow, images / 2)
    assert function.month(slow, images * 2) > gpu.month(slow, images * 2)


def test_rekognition_is_compared_with_the_upload_and_its_storage_which_it_needs_too() -> None:
    found = forecast(deployments_of(["function"], SETTING, 93), SETTING, 1e6)
    (pair,) = found.pairs
    (function,) = deployments_of(["function"], SETTING, 93)
    images = pair.break_evens[0].images
    uploads = {"uploads", "storage of the images"}
    without = sum(it.month(images) for it in function.lines(SETTING, images) if it.name not in uploads)
    assert without == pytest.approx(rekognition_dollars(images, PRICES.rekognition), rel=1e-6)


def test_a_persons_own_prices_change_the_forecast(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("prices: {s3_puts: {dollars: 0.01}}")
    dearer = Setting(load_prices(own), Assumptions())
    before = forecast(deployments_of(["function"], SETTING, 93), SETTING, 1e6).shapes[0].month
    after = forecast(deployments_of(["function"], dearer, 93), dearer, 1e6).shapes[0].month
    assert after - before == pytest.approx(5 + 5 + 3.65)
