"""What the handler counts and measures: the names of metrics.yaml, and nothing breaks where one is missing."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import pytest
import yaml

from inference.images.reading import Code, UnreadableImage
from tests.model_server.archives import ROOT, FakeContext
from tests.model_server.handlers import loaded

pytestmark = pytest.mark.torch

METRICS_FILE = ROOT / "model_server" / "metrics.yaml"


class FakeMetric:
    def __init__(self) -> None:
        self.added: list[tuple[float, tuple[str, ...]]] = []

    def add_or_update(self, value: float, dimension_values: list[str]) -> None:
        self.added.append((value, tuple(dimension_values)))


class FakeMetrics:
    """TorchServe's metrics as far as they are used; it knows none of those in `missing`."""

    def __init__(self, *missing: str) -> None:
        self.missing = missing
        self.known: dict[tuple[str, str], FakeMetric] = {}

    def get_metric(self, metric_name: str, metric_type: Any) -> FakeMetric:  # noqa: ANN401 - TorchServe's own
        from ts.metrics.metric_cache_errors import MetricsCacheKeyError

        if metric_name in self.missing:
            raise MetricsCacheKeyError(metric_name)
        return self.known.setdefault((metric_name, metric_type.value), FakeMetric())

    @property
    def added(self) -> dict[str, list[tuple[float, tuple[str, ...]]]]:
        return {f"{name} {kind}": metric.added for (name, kind), metric in self.known.items()}


def rejections() -> list[UnreadableImage]:
    codes: tuple[Code, ...] = ("empty", "unreadable", "too_slow", "empty")
    return [UnreadableImage(code, ".") for code in codes]


TIMINGS = {"images": 7, "decode_ms": 12.5, "forward_ms": 80.0}


def test_a_batch_is_counted_by_image_and_by_reason_and_measured_in_seconds() -> None:
    from serving.metrics import report

    metrics = FakeMetrics()
    report(metrics, "balls", [[0.9], *rejections(), [0.8], [0.7]], TIMINGS)
    assert metrics.added == {
        "handler_images counter": [(3, ("balls",))],
        "handler_rejected counter": [(2, ("balls", "empty")), (1, ("balls", "unreadable")), (1, ("balls", "too_slow"))],
        "handler_batch_images histogram": [(7, ("balls",))],
        "handler_decode_seconds histogram": [(0.0125, ("balls",))],
        "handler_forward_seconds histogram": [(0.08, ("balls",))],
    }


def test_a_batch_of_wrong_requests_alone_counts_no_images() -> None:
    from serving.metrics import report

    metrics = FakeMetrics()
    report(metrics, "balls", [], TIMINGS | {"images": 0})
    assert metrics.added == {}


@pytest.mark.parametrize("missing", ["handler_images", "handler_rejected", "handler_batch_images"])
def test_a_metric_that_the_file_lacks_costs_only_itself(missing: str) -> None:
    from serving.metrics import report

    metrics = FakeMetrics(missing)
    report(metrics, "balls", [[0.9], *rejections()], TIMINGS)
    assert missing not in " ".join(metrics.added)
    assert len(metrics.added) == 4


def test_a_server_without_metrics_answers_all_the_same() -> None:
    from serving.metrics import report, report_engine

    report(None, "balls", [[0.9]], TIMINGS)
    report_engine(None, {"name": "balls", "engine": "torch-fp32"})


@pytest.mark.parametrize(("engine", "fallback"), [("torch", 0), ("openvino", 1)])
def test_that_the_reference_serves_in_the_place_of_another_engine_is_a_metric(
    unpacked: Path, engine: str, fallback: int
) -> None:
    from handler import PodiumHandler

    metrics = FakeMetrics()
    PodiumHandler().initialize(FakeContext(unpacked, {"engine": engine}, metrics=metrics))
    assert metrics.added == {"handler_engine_fallback gauge": [(fallback, ("balls",))]}


def test_the_handler_reports_each_inference_batch(unpacked: Path, photos: list[bytes]) -> None:
    handler = loaded(unpacked)
    metrics = FakeMetrics()
    handler.handle(
        [{"a": photos[0], "b": b"text"}, {"body": photos[1]}, {"body": b"", "top_k": "0"}],
        FakeContext(Path(), metrics=metrics),
    )
    assert metrics.added["handler_images counter"] == [(2, ("balls",))]
    assert metrics.added["handler_rejected counter"] == [(1, ("balls", "unsupported_format"))]
    assert metrics.added["handler_batch_images histogram"] == [(3, ("balls",))]
    [(seconds, _)] = metrics.added["handler_forward_seconds histogram"]
    assert seconds > 0


def test_what_is_reported_is_what_metrics_yaml_names_with_as_many_dimensions(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """TorchServe's own reader of that file; a wrong number of dimensions would raise."""
    from ts.metrics.metric_cache_yaml_impl import MetricsCacheYamlImpl

    from serving.metrics import report, report_engine

    caplog.set_level("INFO")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # it leaves the file open
        cache = MetricsCacheYamlImpl(config_file_path=str(METRICS_FILE))
    cache.initialize_cache()
    report(cache, "balls", [[0.9], *rejections()], TIMINGS)
    report_engine(cache, {"name": "balls", "engine": "torch-fp32", "engine_fallback": "It is missing."})
    logged = {found[1] for record in caplog.records if (found := re.match(r"\[METRICS\](\w+)\.", record.getMessage()))}
    named = yaml.safe_load(METRICS_FILE.read_text(encoding="utf-8"))["model_metrics"]
    ours = {it["name"] for kind in named.values() for it in kind if it["name"].startswith("handler_")}
    assert logged == ours
