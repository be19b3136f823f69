"""`podium cost` and `podium deploy --plan`: what a person and a program read, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.podium.commands.console import podium, refused

NETWORKS = ("NAT gateway", "interface endpoints")


def forecast(*words: str) -> Any:  # noqa: ANN401 - JSON
    done = podium("cost", *words, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_a_forecast_has_all_four_shapes_rekognition_and_break_evens() -> None:
    done = podium("cost", "--images", "2000000")
    assert done.exit_code == 0
    for word in (
        "function",
        "gpu-to-zero",
        "gpu-always",
        "cpu-always",
        "Rekognition",
        "a month in all",
        "Which is cheaper",
    ):
        assert word in done.stdout
    assert "1,800.00 dollars a month for 2 million images" in done.stdout


def test_the_document_says_every_number_that_it_used() -> None:
    document = forecast("--images", "1e6", "--size", "500")
    assert [it["shape"] for it in document["shapes"]] == ["function", "gpu-to-zero", "gpu-always", "cpu-always"]
    assert document["assumptions"]["drops_a_month"] == 30
    assert document["prices"]["prices"]["s3_puts"]["source"]
    for shape in document["shapes"]:
        assert shape["month"] == pytest.approx(sum(line["month"] for line in shape["lines"]))
        assert shape["speed"]["source"]


def test_one_shape_is_shown_line_by_line_with_its_arithmetic() -> None:
    done = podium("cost", "--shape", "gpu-to-zero")
    assert "267 images/s" in done.stdout
    assert "gpu-always" not in done.stdout


def test_a_persons_speed_and_assumptions_count() -> None:
    slow = forecast("--shape", "gpu-to-zero", "--speed", "gpu-to-zero=40", "--assume", "drops_a_month=60")
    usual = forecast("--shape", "gpu-to-zero")
    work, wakes = (
        [sum(line["month"] for line in it["shapes"][0]["lines"] if line["name"] == name) for it in (slow, usual)]
        for name in ("GPU, while it works", "GPU, waking and idle")
    )
    assert work[0] == pytest.approx(267 / 40 * work[1], rel=0.01)
    assert wakes[0] == pytest.approx(2 * wakes[1])


@pytest.mark.parametrize(
    ("network", "line"), [("nat", "NAT gateway"), ("endpoints", "interface endpoints"), ("none", None)]
)
def test_the_network_of_a_server_is_chosen(network: str, line: str | None) -> None:
    names = {it["name"] for it in forecast("--shape", "cpu-always", "--network", network)["shapes"][0]["lines"]}
    assert [it for it in NETWORKS if it in names] == ([line] if line else [])


def test_prices_come_from_a_persons_file(tmp_path: Path) -> None:
    own = tmp_path / "prices.yaml"
    own.write_text("machines: {g7.xlarge: {on_demand: {dollars: 2, unit: hour, source: me, dated: 2026-11-30},"
                   " spot: {dollars: 1, unit: hour, source: me, dated: 2026-11-30}}}")  # fmt: skip
    document = forecast("--shape", "gpu-always", "--prices", str(own), "--assume", "gpu_machine=g7.xlarge")
    (line,) = [it for it in document["shapes"][0]["lines"] if it["name"] == "GPU, all month"]
    assert line["month"] == pytest.approx(730 * 2 + 60 * 0.08)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--images", "nan"), "--images nan"),
        (("--size", "inf"), "--size inf"),
        (("--assume", "kept_months=inf"), "--assume kept_months=inf"),
        (("--shape", "gpu"), "there is no shape 'gpu', only function"),
        (("--speed", "function"), "must read NAME=VALUE"),
        (("--speed", "function=fast"), "'fast' is no number"),
        (("--speed", "function=-1"), "'-1' is no number"),
        (("--speed", "function=nan"), "'nan' is no number"),
        (("--speed", "gpu=3"), "there is no shape 'gpu'"),
        (("--parameter", "Architecture=arm"), "must be arm64 or x86_64"),
        (("--assume", "drops=3"), "Did you mean drops_a_month?"),
        (("--assume", "utilisation=2"), "--assume utilisation=2"),
        (("--assume", "gpu_machine=p5"), "no machine 'p5'"),
        (("--stack", "photos"), "--stack is for --batch"),
        (("--prices", "/nowhere.yaml"), "cannot be read"),
        (("--batch", "monday", "--shape", "function", "--shape", "cpu-always"), "give --shape once"),
    ],
)
def test_a_wrong_word_is_refused_with_what_to_do(words: tuple[str, ...], sentence: str) -> None:
    assert sentence in refused("cost", *words)


def test_a_plan_lists_resources_and_dollars_without_an_account() -> None:
    done = podium("deploy", "--plan")
    assert done.exit_code == 0
    for word in ("podium-input-ACCOUNT-us-east-1", "ReconcileRole", "kept", "a million images", "Nothing was changed"):
        assert word in done.stdout


def test_a_plan_follows_its_parameters() -> None:
    plain = json.loads(podium("deploy", "--plan", "--json").stdout)
    server = json.loads(podium("deploy", "--plan", "--json", "--model-server-url", "https://models.internal").stdout)
    names = [{it["logical"] for it in document["resources"]} for document in (plain, server)]
    assert "GateFunction" in names[1] - names[0]
    assert server["server_is_apart"]
    assert not plain["server_is_apart"]
    assert plain["dollars"]["idle_month"] == pytest.approx(sum(it["idle_month"] for it in plain["lines"]))


def test_a_plan_refuses_what_a_deployment_refuses() -> None:
    assert "has no parameter 'ModelServer'" in refused("deploy", "--plan", "--parameter", "ModelServer=2")
    assert "--json is for --plan" in refused("deploy", "--json")
