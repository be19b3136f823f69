"""What is counted and measured of an inference batch, by the names of metrics.yaml."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ts.metrics.metric_cache_errors import MetricsCacheKeyError
from ts.metrics.metric_type_enum import MetricTypes

from serving.answers import Metrics, Refusal


def report(metrics: Metrics | None, model: str, outcomes: Sequence[object], timings: Mapping[str, Any]) -> None:
    """Add one inference batch to TorchServe's metrics; those that metrics.yaml does not name are left out."""
    if metrics is None or not outcomes:
        return
    refused = Counter(outcome.code for outcome in outcomes if isinstance(outcome, Refusal))
    for code, count in refused.items():
        _add(metrics, "handler_rejected", "counter", count, model, code)
    _add(metrics, "handler_images", "counter", len(outcomes) - refused.total(), model)
    _add(metrics, "handler_batch_images", "histogram", len(outcomes), model)
    _add(metrics, "handler_decode_seconds", "histogram", timings["decode_ms"] / 1000, model)
    _add(metrics, "handler_forward_seconds", "histogram", timings["forward_ms"] / 1000, model)


def report_engine(metrics: Metrics | None, facts: Mapping[str, Any]) -> None:
    """Say whether the reference serves in the place of the engine that was asked for."""
    if metrics is not None:
        _add(metrics, "handler_engine_fallback", "gauge", int("engine_fallback" in facts), facts["name"])


def _add(metrics: Metrics, name: str, kind: str, value: float, *dimensions: str) -> None:
    try:
        metrics.get_metric(name, MetricTypes(kind)).add_or_update(value, list(dimensions))
    except MetricsCacheKeyError:
        return
