"""The price file: every price has its unit, source and date, and a person can change one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from podium.costs.prices import PRICES, load_prices
from podium.errors import ConsoleError
from podium.project import ROOT


def test_every_price_has_a_source_and_none_is_dated_after_the_file_was_checked() -> None:
    prices = load_prices()
    listed = [price for _, price in prices.prices]
    listed += [price for machine in prices.machines.values() for _, price in machine]
    listed += prices.rekognition
    assert all(price.source and price.unit for price in listed)
    assert all(price.dated <= prices.checked for price in listed)


def test_prices_that_no_second_source_confirms_are_named() -> None:
    assert "g6.xlarge spot" in load_prices().unconfirmed
    assert "sqs_requests" not in load_prices().unconfirmed


def test_a_price_is_for_one_unit_when_it_is_multiplied() -> None:
    assert load_prices().prices.sqs_requests.each == pytest.approx(0.40e-6)


def test_a_file_with_one_price_changes_that_price_alone(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("region: eu-central-1\nprices: {s3_puts: {dollars: 0.0054, source: the bill, dated: 2026-10-31}}\n")
    prices = load_prices(own)
    assert prices.prices.s3_puts.each == pytest.approx(5.4e-6)
    assert prices.prices.s3_puts.source == "the bill"
    assert prices.prices.s3_gets == load_prices().prices.s3_gets
    assert prices.region == "eu-central-1"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("prices: {s3_put: {dollars: 1}}", "prices.s3_put"),
        ("prices: {s3_puts: {dollars: -1}}", "prices.s3_puts.dollars"),
        ("prices: {s3_puts: {dollars: much}}", "prices.s3_puts.dollars"),
        ("prices: [", "is no YAML"),
        ("", "has no prices"),
    ],
)
def test_a_wrong_file_is_named_with_the_place(tmp_path: Path, text: str, sentence: str) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(text)
    with pytest.raises(ConsoleError, match=re.escape(sentence)) as caught:
        load_prices(own)
    assert str(own) in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_file_that_is_not_there_is_a_wrong_use(tmp_path: Path) -> None:
    with pytest.raises(ConsoleError, match="cannot be read"):
        load_prices(tmp_path / "none.yaml")


def test_a_machine_without_a_price_names_those_that_have_one() -> None:
    with pytest.raises(ConsoleError, match=r"p5.48xlarge.*g6.xlarge"):
        load_prices().machine("p5.48xlarge")


def test_no_other_file_of_the_code_has_a_price_of_its_own() -> None:
    """A price twice is a price that is wrong once."""
    prices = load_prices()
    telling = {"0.0000166667", "1.66667e-05", "0.0000133334", "0.8048", "0.04048", "0.004445"}
    assert any(f"{price.dollars:.10f}".rstrip("0") in telling for _, price in prices.prices)
    rooms = [ROOT / name for name in ("podium", "benchmarks", "functions", "training", "inference", "model_server")]
    code = [
        path
        for room in rooms
        for path in room.rglob("*")
        if path.suffix in {".py", ".yaml", ".json"} and path != PRICES
    ]
    assert [path for path in code if any(it in path.read_text(encoding="utf-8") for it in telling)] == []
