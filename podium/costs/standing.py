"""What a stack's resources cost a month while no image comes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from podium.costs.assumptions import HOURS_A_MONTH, MINUTES_A_MONTH, Assumptions
from podium.costs.function_time import dollars_of
from podium.costs.lines import Line
from podium.costs.prices import PriceList
from podium.planned.resources import Resource, of_kind

MINUTES = {"minute": 1.0, "hour": 60.0, "day": 1440.0}
LONG_POLL_S = 20.0
OWN_ALARMS = 2  # that a target-tracking policy makes


def standing_lines(resources: Sequence[Resource], prices: PriceList, assume: Assumptions) -> Iterator[Line]:
    """The monthly lines of a template's resources, images or none; kinds that cost nothing while they are idle have none."""
    found = [
        _line("alarms", _alarm_metrics(resources), "metric in an alarm", prices.alarm_months.each),
        _line("dashboard", len(of_kind(resources, "AWS::CloudWatch::Dashboard")), "dashboard", prices.dashboard_months.each),
        _scheduled(resources, prices, assume),
        _metrics(resources, prices, assume),
        _polling(resources, prices, assume),
        _line("load balancer", len(of_kind(resources, "AWS::ElasticLoadBalancingV2::LoadBalancer")), "load balancer, 730 h", HOURS_A_MONTH * prices.alb_hours.each),
        _line("NAT gateway", len(of_kind(resources, "AWS::EC2::NatGateway")), "NAT gateway with its address, 730 h", HOURS_A_MONTH * (prices.nat_hours.each + prices.ipv4_hours.each)),
        _line("interface endpoints", _endpoint_zones(resources), "endpoint in a zone, 730 h", HOURS_A_MONTH * prices.endpoint_hours.each),
        _line("secrets", len(of_kind(resources, "AWS::SecretsManager::Secret")), "secret", prices.secret_months.each),
    ]  # fmt: skip
    yield from (line for line in found if line.a_month)


def minutes_between(schedule: str) -> float:
    """Minutes from one run of `rate(5 minutes)` to the next. ValueError for another expression."""
    match = re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", schedule)
    if match is None:
        raise ValueError(f"the schedule {schedule!r} is no rate")
    return int(match[1]) * MINUTES[match[2]]


def _line(name: str, count: int, unit: str, each: float) -> Line:
    return Line(name=name, kind="standing", a_month=count * each, basis=f"{count} x {each:.4g}: {unit}")


def _alarm_metrics(resources: Sequence[Resource]) -> int:
    """Metrics in alarms, which are what an alarm is paid by; a target-tracking policy makes two alarms of its own."""
    alarms = sum(_metrics_in(it.properties.get("Metrics")) for it in of_kind(resources, "AWS::CloudWatch::Alarm"))
    tracking = (
        it.properties["TargetTrackingScalingPolicyConfiguration"]
        .get("CustomizedMetricSpecification", {})
        .get("Metrics")
        for it in of_kind(resources, "AWS::ApplicationAutoScaling::ScalingPolicy")
        if "TargetTrackingScalingPolicyConfiguration" in it.properties
    )
    return alarms + OWN_ALARMS * sum(map(_metrics_in, tracking))


def _metrics_in(metrics: Sequence[dict[str, object]] | None) -> int:
    return 1 if metrics is None else sum(1 for it in metrics if "MetricStat" in it)


def _scheduled(resources: Sequence[Resource], prices: PriceList, assume: Assumptions) -> Line:
    functions = {f"<{it.logical}.Arn>": it for it in of_kind(resources, "AWS::Lambda::Function")}
    dollars, runs = 0.0, 0.0
    for rule in of_kind(resources, "AWS::Events::Rule"):
        a_month = MINUTES_A_MONTH / minutes_between(rule.properties["ScheduleExpression"])
        for target in rule.properties["Targets"]:
            dollars += a_month * dollars_of(prices, functions[target["Arn"]], assume.scheduled_ms / 1000)
            runs += a_month
    return Line(
        name="scheduled functions",
        kind="standing",
        a_month=dollars,
        basis=f"{runs:,.0f} runs of {assume.scheduled_ms:.0f} ms",
    )


def _metrics(resources: Sequence[Resource], prices: PriceList, assume: Assumptions) -> Line:
    names = {it.logical for it in of_kind(resources, "AWS::Lambda::Function")}
    count = assume.gate_metrics * ("GateFunction" in names) + assume.reconcile_metrics * ("ReconcileFunction" in names)
    return _line("custom metrics", count, "metric of a scheduled function", prices.metric_months.each)


def _polling(resources: Sequence[Resource], prices: PriceList, assume: Assumptions) -> Line:
    queues = {f"<{it.logical}.Arn>" for it in of_kind(resources, "AWS::SQS::Queue")}
    mappings = of_kind(resources, "AWS::Lambda::EventSourceMapping")
    watched = sum(
        1 for it in mappings if it.properties["EventSourceArn"] in queues and it.properties.get("Enabled", True)
    )
    polls = watched * assume.pollers * HOURS_A_MONTH * 3600 / LONG_POLL_S
    return Line(
        name="polls of the queue", kind="standing", a_month=polls * prices.sqs_requests.each,
        basis=f"{polls:,.0f} requests: {assume.pollers} polls of {LONG_POLL_S:.0f} s at once",
    )  # fmt: skip


def _endpoint_zones(resources: Sequence[Resource]) -> int:
    return sum(
        len(it.properties.get("SubnetIds", ()))
        for it in of_kind(resources, "AWS::EC2::VPCEndpoint")
        if it.properties.get("VpcEndpointType") == "Interface"
    )
