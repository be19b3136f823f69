"""The bytes of log that a forecast assumes are those that the classify function writes."""

from __future__ import annotations

import io
import json
from logging import StreamHandler

import pytest

from pipeline.classify.answer import Outcomes
from pipeline.classify.images import Finished
from pipeline.classify.reporting import report
from pipeline.classify.trial import Trial
from pipeline.contracts import Order
from pipeline.telemetry import logger, metrics
from podium.costs.assumptions import Assumptions
from podium.costs.items import common_classification

IMAGES = 20
OF_AN_EVENT = 26  # bytes that CloudWatch adds to each line
OF_AN_INVOCATION = 900  # Lambda's own lines about its start and end, as JSON
INJECTED = {
    "function_name": "podium-classify",
    "function_memory_size": 3008,
    "function_arn": "arn:aws:lambda:us-east-1:123456789012:function:podium-classify",
    "function_request_id": "52fdfc07-2182-454f-963f-5f0f9a621d72",
    "cold_start": False,
}


def test_an_image_logs_as_many_bytes_as_a_forecast_assumes() -> None:
    results = [
        common_classification(uncertain=False, key=f"incoming/monday-2026-11-30/IMG_{n:05}.jpg") for n in range(IMAGES)
    ]
    outcomes = {Order(image=it.image): Finished(it, "stored") for it in results}
    lines = _logged(outcomes)
    emf = json.dumps(metrics.serialize_metric_set())
    metrics.clear_metrics()
    written = len(lines) + len(emf) + OF_AN_EVENT * (IMAGES + 1) + OF_AN_INVOCATION
    assert written / IMAGES == pytest.approx(Assumptions().log_bytes, rel=0.1)


def _logged(outcomes: dict[Order, Finished]) -> str:
    written = io.StringIO()
    handler = logger.registered_handler
    assert isinstance(handler, StreamHandler)
    before = handler.setStream(written)
    logger.append_keys(**INJECTED)
    report(Outcomes(outcomes, {}, {}, {}), next(iter(outcomes.values())).classification.model, {}, [IMAGES], Trial())
    logger.remove_keys(list(INJECTED))
    handler.setStream(before)
    return written.getvalue()
