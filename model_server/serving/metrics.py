"""Metrics of an inference batch, by the names of metrics.yaml."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ts.metrics.metric_cache_errors import MetricsCacheKeyError
from ts.metrics.metric_type_enum import MetricTypes

from inference.images.reading import UnreadableImage
from serving.context import MetricsCache


def report(metrics: MetricsCache | None, model: str, outcomes: Sequence[object], timings: Mapping[str, Any]) -> None:
    """Add one inference batch to TorchServe's metrics; those that metrics.yaml does not name are left out."""
    if metrics is None or not outcomes:
        return
    rejected = Counter(outcome.code for outcome in outcomes if isinstance(outcome, UnreadableImage))
    for code, count in rejected.items():
        _add(metrics, "handler_rejected", "counter", count, model, code)
    _add(metrics, "handler_images", "counter", len(outcomes) - rejected.total(), model)
    _add(metrics, "handler_batch_images", "histogram", len(outcomes), model)
    _add(metrics, "handler_decode_seconds", "histogram", timings["decode_ms"] / 1000, model)
    _add(metrics, "handler_forward_seconds", "histogram", timings["forward_ms"] / 1000, model)


def report_engine(metrics: MetricsCache | None, facts: Mapping[str, Any]) -> None:
    """Report whether the reference serves in place of the configured engine."""
    if metrics is not None:
        _add(metrics, "handler_engine_fallback", "gauge", int("engine_fallback" in facts), facts["name"])


def _add(metrics: MetricsCache, name: str, kind: str, value: float, *dimensions: str) -> None:
    try:
        metrics.get_metric(name, MetricTypes(kind)).add_or_update(value, list(dimensions))
    except MetricsCacheKeyError:
        return
