"""The functions' one logger and one metrics: JSON, a constant message, facts as fields.

A dimension's every value is a metric that is paid for: never a label, never a key.
"""

from __future__ import annotations

from aws_lambda_powertools import Logger, Metrics, single_metric
from aws_lambda_powertools.metrics import MetricUnit

NAMESPACE = "Podium"

logger = Logger()  # the service of both is the stack: POWERTOOLS_SERVICE_NAME
metrics = Metrics(namespace=NAMESPACE)


def count(name: str, value: int) -> None:
    """Add a count to the invocation's metrics."""
    metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)


def count_apart(name: str, value: int, **dimensions: str) -> None:
    """Write a count by itself: it has dimensions that the invocation's other metrics do not have."""
    dimensions = {"service": metrics.service} | dimensions
    with single_metric(name, MetricUnit.Count, value, namespace=NAMESPACE, default_dimensions=dimensions):
        pass  # the one metric is written when the block ends
