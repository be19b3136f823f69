"""Each line of a forecast is its unit's price times what the templates, the rows and the measurements say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.queue.orders import body_of
from pipeline.reconcile.handler import SPARE_MS
from podium.costs.assumptions import Assumptions
from podium.costs.deployments import core_resources, deployments_of
from podium.costs.forecast import Deployment
from podium.costs.function_time import invocation_dollars
from podium.costs.items import common_classification, common_row, item_bytes, write_units
from podium.costs.lines import Line
from podium.costs.measured import batch_seconds, function_speed, server_speed
from podium.costs.pipeline import SPARE_S
from podium.costs.prices import load_prices
from podium.costs.shapes import Setting, Shape
from podium.costs.standing import minutes_between, standing_lines
from podium.planned.resources import Resource

PRICES = load_prices()
SETTING = Setting(PRICES, Assumptions())


def deployed(shape: Shape, *, size_kb: float = 93, backfill: bool = False, setting: Setting = SETTING) -> Deployment:
    return deployments_of([shape], setting, size_kb, backfill=backfill)[0]


def lines(deployment: Deployment, images: float = 1e6, setting: Setting = SETTING) -> dict[str, Line]:
    return {line.name: line for line in deployment.lines(setting, images)}


def test_a_million_images_cost_their_requests_by_list_price() -> None:
    found = lines(deployed("function"))
    assert found["uploads"].a_million == pytest.approx(5.00)
    assert found["images read"].a_million == pytest.approx(0.40)
    assert found["results as JSON"].a_million == pytest.approx(5.00)
    assert found["queue"].a_million == pytest.approx(1.2 * 0.40)


def test_a_row_pays_for_the_table_and_for_each_index_that_has_it() -> None:
    table = next(it for it in core_resources("function", PRICES.region) if it.logical == "ResultsTable")
    plain, doubtful = common_row(uncertain=False), common_row(uncertain=True)
    assert write_units(doubtful, table) == write_units(plain, table) + 1, (
        "only a row to review is in the index of reviews"
    )
    sure = Setting(PRICES, Assumptions(uncertain_share=0))
    found = lines(deployed("function", setting=sure), setting=sure)["rows"]
    assert found.a_million == pytest.approx(write_units(plain, table) * 0.625)


def test_the_size_of_an_item_is_names_and_values_as_dynamodb_counts_them() -> None:
    assert item_bytes({"ab": "é"}) == 2 + 2
    assert item_bytes({"n": 12345}) == 1 + 3 + 1
    assert item_bytes({"n": -5}) == 1 + 1 + 1 + 1
    assert item_bytes({"l": ["a", "b"]}) == 1 + 3 + 2 * (1 + 1)
    assert item_bytes({"m": {"k": True}}) == 1 + 3 + 1 + 1 + 1


def test_an_item_of_more_than_a_kilobyte_pays_twice_everywhere() -> None:
    table = next(it for it in core_resources("function", PRICES.region) if it.logical == "ResultsTable")
    long = common_row(uncertain=False, key=f"incoming/monday/{'x' * 600}.jpg")
    assert item_bytes(long) > 1024
    assert write_units(long, table) == 2 * write_units(common_row(uncertain=False), table)


def test_rows_that_reconcile_reads_cost_a_dollar_a_million_and_its_lists_grow_with_what_is_kept() -> None:
    found = lines(deployed("function"))
    assert found["lost uploads: rows read"].a_million == pytest.approx(1.00)
    assert found["lost uploads: lists"].a_million == pytest.approx(0.12 * 730 / 24)
    year = Setting(PRICES, Assumptions(kept_months=12))
    assert lines(deployed("function", setting=year), setting=year)["lost uploads: lists"].a_million == pytest.approx(
        12 * found["lost uploads: lists"].a_million
    )


def test_reconcile_lists_no_more_than_its_hourly_run_has_time_for() -> None:
    lists = lines(deployed("function"))["lost uploads: lists"]
    assert lists.month(1e6) == pytest.approx(lists.a_million)
    assert lists.month(1e9) == lists.month(1e8) == pytest.approx(8400 * 730 * 0.005 / 1000)


def test_what_reconcile_spares_of_its_time_is_what_its_function_spares() -> None:
    assert SPARE_MS == SPARE_S * 1000


def test_a_backfill_uploads_nothing_and_pays_for_its_machine() -> None:
    found = lines(deployed("function", backfill=True))
    assert not found.keys() & {"uploads", "lost uploads: rows read", "lost uploads: lists", "storage of the images"}
    assert found["state machine"].a_million == pytest.approx(4 * 0.025 / 1000 / 500 * 1e6)
    assert found["list of the bucket"].a_million == pytest.approx(5 / 1000 + 0.5 * 0.125)


def test_results_as_lines_are_one_put_for_a_whole_sqs_batch() -> None:
    each = deployed("function")
    function = each.pipeline.resources["ClassifyFunction"]
    variables = {**function.properties["Environment"]["Variables"], "RESULTS": "lines"}
    lined = replace(function, properties={**function.properties, "Environment": {"Variables": variables}})
    pipeline = replace(each.pipeline, resources={**each.pipeline.resources, "ClassifyFunction": lined})
    assert lines(replace(each, pipeline=pipeline))["results as JSON"].a_million == pytest.approx(0.25)


def test_graviton_is_a_fifth_cheaper_in_the_function() -> None:
    (arm,) = deployments_of(["function"], SETTING, 93, parameters={"Architecture": "arm64"})
    ratio = lines(arm)["classify function"].a_million / lines(deployed("function"))["classify function"].a_million
    assert ratio == pytest.approx(0.8, abs=0.01)


def test_an_invocation_pays_for_memory_for_its_own_disk_and_for_the_request() -> None:
    assert invocation_dollars(PRICES.prices, 2, 1024) == pytest.approx(2 * 0.0000166667 + 0.2e-6)
    more = invocation_dollars(PRICES.prices, 2, 1024, storage_mb=1536)
    assert more - invocation_dollars(PRICES.prices, 2, 1024) == pytest.approx(2 * 0.0000000309)
    assert invocation_dollars(PRICES.prices, 2, 1024, architecture="arm64") == pytest.approx(2 * 0.0000133334 + 0.2e-6)


def test_the_function_computes_as_fast_as_the_model_was_measured_without_a_server() -> None:
    pipeline = deployed("function").pipeline
    memory = pipeline.resources["ClassifyFunction"].properties["MemorySize"]
    speed = function_speed(memory)
    seconds = 20 / speed.images_per_s + 0.250
    expected = invocation_dollars(PRICES.prices, seconds, memory, storage_mb=2048) / 20 * 1e6
    assert lines(deployed("function"))["classify function"].a_million == pytest.approx(expected)
    assert "docs/results/serving.md" in speed.source


def test_less_memory_is_never_faster_and_one_vcpu_reads_and_computes_in_turn() -> None:
    speeds = [function_speed(mb).images_per_s for mb in (885, 1769, 1900, 2500, 3008)]
    assert speeds == sorted(speeds)
    assert speeds[0] == pytest.approx(speeds[1] / 2, rel=0.01)


def test_a_batch_between_one_and_two_cpus_takes_a_time_between_the_two() -> None:
    rows = [{"cpus": 1, "batch_s": 0.2}, {"cpus": 2, "batch_s": 0.1}]
    assert batch_seconds(rows, 1769) == pytest.approx(0.2)
    assert batch_seconds(rows, 2 * 1769) == pytest.approx(0.1)
    assert batch_seconds(rows, 1.5 * 1769) == pytest.approx(1 / 7.5)


def test_a_gpu_to_zero_pays_for_its_work_and_for_each_wake() -> None:
    found = lines(deployed("gpu-to-zero"))
    an_hour = 0.45 + 60 * 0.08 / 730
    handed_over = 4 * 20 / (0.250 + 20 / 400)
    assert found["GPU, while it works"].a_million == pytest.approx(an_hour / 3600 / handed_over * 1e6)
    assert found["GPU, waking and idle"].a_month == pytest.approx(30 * 20 / 60 * an_hour)


def test_a_server_is_no_faster_than_its_functions_hand_images_over() -> None:
    pipeline = deployed("gpu-to-zero").pipeline
    assert pipeline.served_per_s(100) == 100, "80 images wait for a slow one"
    assert pipeline.served_per_s(400) == pytest.approx(4 * 20 / (0.250 + 20 / 400))
    more = replace(SETTING, assume=Assumptions(beside_ms=0))
    assert deployed("gpu-to-zero", setting=more).pipeline.served_per_s(400) == 400


def test_the_function_waits_as_long_as_the_server_has_images_before_it() -> None:
    found = lines(deployed("cpu-always"))["classify function"]
    seconds = 4 * 20 / server_speed().images_per_s
    assert found.a_million == pytest.approx(invocation_dollars(PRICES.prices, seconds, 1024) / 20 * 1e6)


@pytest.mark.parametrize("servers", ["1", "4"])
def test_more_servers_wait_for_no_longer(servers: str) -> None:
    (many,) = deployments_of(["cpu-always"], SETTING, 93, parameters={"ModelServers": servers})
    assert lines(many)["classify function"].a_million == pytest.approx(
        lines(deployed("cpu-always"))["classify function"].a_million
    )


def test_functions_at_once_do_so_many_images_a_month_at_most() -> None:
    from podium.costs.shapes import most_images_a_month

    pipeline = deployed("function").pipeline
    speed = function_speed(pipeline.resources["ClassifyFunction"].properties["MemorySize"])
    a_second = 8 * 20 / (20 / speed.images_per_s + 0.250)
    assert most_images_a_month("function", pipeline, speed) == pytest.approx(a_second * 730 * 3600)


def test_servers_that_always_run_are_as_many_as_the_images_need() -> None:
    a_task = 730 * (2 * 0.04048 + 4 * 0.004445)
    most = server_speed().images_per_s * 0.7 * 730 * 3600
    assert lines(deployed("cpu-always"), 1)["CPU server, all month"].a_month == pytest.approx(a_task)
    assert lines(deployed("cpu-always"), most * 2.5)["CPU server, all month"].a_month == pytest.approx(3 * a_task)


def test_only_shapes_with_a_server_pay_for_a_network() -> None:
    assert not lines(deployed("function")).keys() & {"load balancer", "NAT gateway", "container image"}
    found = lines(deployed("gpu-to-zero"))
    assert found["load balancer"].a_month == pytest.approx(730 * 0.0225)
    assert found["NAT gateway"].a_month == pytest.approx(730 * (0.045 + 0.005))
    endpoints = Setting(PRICES, Assumptions(), "endpoints")
    assert lines(deployed("gpu-to-zero"), setting=endpoints)["interface endpoints"].a_month == pytest.approx(16 * 7.30)
    none = Setting(PRICES, Assumptions(), "none")
    assert not lines(deployed("gpu-to-zero"), setting=none).keys() & {"NAT gateway", "interface endpoints"}


def test_an_alarm_is_paid_by_its_metrics() -> None:
    sums = {
        "Metrics": [{"Id": "a", "Expression": "b + c"}, {"Id": "b", "MetricStat": {}}, {"Id": "c", "MetricStat": {}}]
    }
    alarms = [
        Resource("A", "AWS::CloudWatch::Alarm", {"MetricName": "x"}),
        Resource("B", "AWS::CloudWatch::Alarm", sums),
    ]
    (line,) = standing_lines(alarms, PRICES.prices, Assumptions())
    assert line.a_month == pytest.approx(3 * 0.10)


def test_a_queue_without_a_model_is_polled_by_nobody() -> None:
    def mapping(**more: object) -> list[Resource]:
        source = {"EventSourceArn": "<Q.Arn>", **more}
        return [Resource("Q", "AWS::SQS::Queue"), Resource("M", "AWS::Lambda::EventSourceMapping", source)]

    (line,) = standing_lines(mapping(), PRICES.prices, Assumptions())
    assert line.a_month == pytest.approx(5 * 3 * 60 * 730 * 0.40e-6)
    assert list(standing_lines(mapping(Enabled=False), PRICES.prices, Assumptions())) == []


@pytest.mark.parametrize(("schedule", "minutes"), [("rate(1 minute)", 1), ("rate(5 minutes)", 5), ("rate(1 hour)", 60)])
def test_schedules_are_read(schedule: str, minutes: float) -> None:
    assert minutes_between(schedule) == minutes


def test_a_schedule_that_is_no_rate_is_refused() -> None:
    with pytest.raises(ValueError, match=r"cron\("):
        minutes_between("cron(0 * * * ? *)")


def test_a_message_of_an_ordinary_image_is_one_request_of_64_kilobytes() -> None:
    from pipeline.contracts import Order

    assert len(body_of(Order(image=common_classification(uncertain=False).image))) < 64_000
