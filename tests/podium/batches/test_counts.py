"""What a batch has cost is priced from its rows, and from what CloudWatch counted while it ran."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from podium.batches.counts import counted, invoked
from podium.batches.results import RowFilter, find
from podium.connection import Connection
from podium.costs.assumptions import Assumptions
from podium.costs.deployments import deployment_of_stack
from podium.costs.items import item_of, write_units
from podium.costs.prices import load_prices
from podium.costs.ran import Counted, price_batch
from podium.costs.shapes import Setting
from podium.errors import ConsoleError
from podium.shown.costs import ran_document

SETTING = Setting(load_prices(), Assumptions())
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
MEMORY_MB = 3008


def function_stack() -> dict[str, str]:
    return {"ModelArchive": "models/a.mar", "ModelArchiveVersion": "v", "ModelArchiveSha256": "0" * 64}


def count_of(connection: Connection, namespace: str, metric: str, value: float, **dimensions: str) -> None:
    connection.cloudwatch.put_metric_data(
        Namespace=namespace,
        MetricData=[
            {
                "MetricName": metric, "Value": value, "Timestamp": BEGAN + timedelta(seconds=30),
                "Dimensions": [{"Name": name, "Value": it} for name, it in dimensions.items()],
            }
        ],
    )  # fmt: skip


def test_a_batch_is_counted_by_its_rows(monday: Connection) -> None:
    deployment = deployment_of_stack(None, function_stack(), SETTING)
    table = deployment.pipeline.resources["ResultsTable"]
    rows = find(monday, RowFilter(batch="monday")).rows
    found = counted(rows, table)
    assert found.images == 4
    assert found.image_bytes == 40
    written = monday.table.scan()["Items"]
    assert found.write_units == sum(write_units(it, table) for it in written if it["batch"] == "monday")
    assert sorted((item_of(row) for row in rows), key=str) == sorted(
        (it for it in written if it["batch"] == "monday"), key=str
    )
    assert found.began == found.ended == BEGAN


def test_without_counts_of_cloudwatch_the_functions_time_is_arithmetic_and_says_so(monday: Connection) -> None:
    batch = Counted(images=40, image_bytes=40 * 93_000, write_units=120, began=BEGAN, ended=BEGAN)
    assert invoked(monday, batch) is None
    ran = price_batch(deployment_of_stack(None, function_stack(), SETTING), SETTING, batch, None)
    assert not ran.measured_here
    assert "no durations" in ran.sentences[0]
    assert ran.dollars == pytest.approx(sum(line.month(40) for line in ran.lines))


def test_counts_of_cloudwatch_are_what_the_function_cost(monday: Connection) -> None:
    batch = Counted(
        images=40, image_bytes=40 * 93_000, write_units=120, began=BEGAN, ended=BEGAN + timedelta(seconds=60)
    )
    count_of(monday, "AWS/Lambda", "Duration", 3000, FunctionName="podium-classify")
    count_of(monday, "AWS/Lambda", "Invocations", 4, FunctionName="podium-classify")
    count_of(monday, "Podium", "ImagesClassified", 80, service="podium", model="balls@1.0")
    found = invoked(monday, batch)
    assert found is not None
    assert (found.invocations, found.seconds, found.share) == (4, 3, 0.5)
    ran = price_batch(deployment_of_stack(None, function_stack(), SETTING), SETTING, batch, found)
    (line,) = [it for it in ran.lines if it.name == "classify function"]
    a_second = MEMORY_MB / 1024 * 0.0000166667 + 1.5 * 0.0000000309
    assert line.month(40) == pytest.approx(0.5 * (3 * a_second + 4 * 0.2e-6))
    assert ran.measured_here
    assert json.loads(json.dumps(ran_document(ran, "monday", SETTING.prices)))["measured_here"]


def test_no_more_functions_start_than_there_are_sqs_batches() -> None:
    deployment = deployment_of_stack(None, function_stack(), SETTING)
    small, large = (
        price_batch(deployment, SETTING, Counted(images, images, images, BEGAN, BEGAN), None) for images in (20, 20_000)
    )
    starts = [sum(it.a_month for it in ran.lines if it.name == "cold starts") for ran in (small, large)]
    assert starts[1] == pytest.approx(8 * starts[0])


def test_a_stack_with_a_server_is_priced_with_one_wake_of_a_gpu() -> None:
    deployment = deployment_of_stack("https://models.internal", {"ModelServerUrl": "https://models.internal"}, SETTING)
    ran = price_batch(deployment, SETTING, Counted(100, 100, 300, BEGAN, BEGAN), None)
    (wake,) = [it for it in ran.lines if it.name == "GPU, waking and idle"]
    assert wake.a_month == pytest.approx(20 / 60 * (0.45 + 60 * 0.08 / 730))
    assert any("no GPU was measured" in it for it in ran.sentences)


def test_a_shape_that_the_stack_does_not_have_is_refused() -> None:
    with pytest.raises(ConsoleError, match="no model server"):
        deployment_of_stack(None, {}, SETTING, ["cpu-always"])
    with pytest.raises(ConsoleError, match="a model server"):
        deployment_of_stack("https://m", {"ModelServerUrl": "https://m"}, SETTING, ["function"])
