"""A batch in counts that exist: its rows, and what CloudWatch counted of the classify function while it ran."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from pipeline.contracts import Row
from podium.connection import Connection
from podium.costs.items import item_of, write_units
from podium.costs.ran import Counted, Invoked
from podium.planned.resources import Resource

BEFORE, AFTER = timedelta(minutes=1), timedelta(minutes=2)  # a row's moment is the beginning of the work on it
PERIOD_S = 60
MOST_PERIODS = 1440  # of one request for statistics


def counted(rows: Sequence[Row], table: Resource) -> Counted:
    """The rows in figures; there must be one at least."""
    return Counted(
        images=len(rows),
        image_bytes=sum(row.size_bytes for row in rows),
        write_units=sum(write_units(item_of(row), table) for row in rows),
        began=min(row.classified_at for row in rows),
        ended=max(row.classified_at for row in rows),
    )


def invoked(connection: Connection, batch: Counted) -> Invoked | None:
    """What CloudWatch counted of the classify function between the batch's first and last image; None if it has nothing."""
    function = [{"Name": "FunctionName", "Value": connection.facts.function}]
    name, model = connection.facts.stack, connection.facts.model
    images = [{"Name": "service", "Value": name}, {"Name": "model", "Value": model}]
    seconds = _sum(connection, "AWS/Lambda", "Duration", function, batch.began, batch.ended) / 1000
    invocations = _sum(connection, "AWS/Lambda", "Invocations", function, batch.began, batch.ended)
    if not seconds or not invocations:
        return None
    classified = _sum(connection, "Podium", "ImagesClassified", images, batch.began, batch.ended)
    return Invoked(invocations, seconds, share=min(1.0, batch.images / classified) if classified else 1.0)


def _sum(
    connection: Connection,
    namespace: str,
    metric: str,
    dimensions: list[dict[str, str]],
    began: datetime,
    ended: datetime,
) -> float:
    start, end = began - BEFORE, ended + AFTER
    minutes = max(1, -(-(end - start).total_seconds() // (PERIOD_S * MOST_PERIODS)))
    found: dict[str, Any] = connection.cloudwatch.get_metric_statistics(
        Namespace=namespace, MetricName=metric, Dimensions=dimensions, StartTime=start, EndTime=end,
        Period=int(minutes * PERIOD_S), Statistics=["Sum"],
    )  # fmt: skip
    return float(sum(point["Sum"] for point in found["Datapoints"]))
