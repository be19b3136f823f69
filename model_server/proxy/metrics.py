"""The proxy's metrics, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from proxy.responses import ImageResponse, Response

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
IMAGES = (1, 2, 4, 8, 16, 32, 64)
MOST_ENGINES = 16  # an archive's handler may name any number
# The known codes; an archive's handler may have others, in any number.
OF_IMAGES = ("empty", "bad_request", "too_large", "unsupported_format", "unreadable", "too_many_pixels", "too_slow")
CODES = frozenset([*OF_IMAGES, "401", "404", "408", "415", "503"])


class Metrics:
    """One page of counters and histograms; every proxy has its own registry."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        counter = partial(Counter, registry=self.registry)
        gauge = partial(Gauge, registry=self.registry)
        seconds = partial(Histogram, registry=self.registry, buckets=SECONDS)
        fill = partial(Histogram, registry=self.registry, buckets=IMAGES)
        self._images = counter("podium_images", "Images answered, by the status of each.", ["status"])
        self._images_by_status: dict[int, Counter] = {}
        self._rejected = counter(
            "podium_rejected", "Images rejected, and requests refused as a whole, by code.", ["code"]
        )
        self._fill = fill("podium_batch_images", "Images in one group for TorchServe.")
        self._queue = seconds("podium_queue_seconds", "An image's wait in the proxy.")
        self._request = seconds("podium_request_seconds", "A request, from its headers to its answer.")
        self._decode = seconds("podium_decode_seconds", "Decoding of one group.")
        self._forward = seconds("podium_forward_seconds", "Forward pass of one group.")
        self._waiting = gauge("podium_waiting_images", "Images that wait in the proxy.")
        self._open = gauge("podium_open_requests", "Requests that were admitted and have no answer yet.")
        self._deaths = counter("podium_worker_deaths", "Workers of TorchServe that were ready and died.")
        self._ready = gauge("podium_ready", "1 while /ping is healthy.")
        self._model_ready = gauge("podium_model_ready", "1 while all workers of this model are ready.", ["model"])
        self._engines: set[tuple[str, str]] = set()
        self._engine = gauge(
            "podium_engine_info", "The engine in use, and why the preferred one is not.", ["engine", "fallback"]
        )

    def page(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self.registry)

    def totals(self) -> dict[tuple[str, str], float]:
        """Every number of the page, by its name and the value of its label; empty if it has none."""
        samples = (sample for family in self.registry.collect() for sample in family.samples)
        return {(sample.name, ",".join(sample.labels.values())): sample.value for sample in samples}

    def watch(self, *, waiting_images: Callable[[], int], open_requests: Callable[[], int]) -> None:
        """Where the numbers of what waits and of what is open are read from."""
        self._waiting.set_function(waiting_images)
        self._open.set_function(open_requests)

    def group_answered(self, waited_s: Sequence[float], answers: Sequence[Response]) -> None:
        """A group came back, after its images had waited so long."""
        self._fill.observe(len(waited_s))
        for seconds in waited_s:
            self._queue.observe(seconds)
        first = answers[0]
        if not isinstance(first, ImageResponse):
            return
        timings, model = first.shared.get("timings"), first.shared.get("model")
        if isinstance(model, dict):
            self.engine(model)
        if isinstance(timings, dict):
            for name, histogram in (("decode_ms", self._decode), ("forward_ms", self._forward)):
                if isinstance(timings.get(name), int | float):
                    histogram.observe(timings[name] / 1000)

    def image_answered(self, answer: Response) -> None:
        """One image has its answer."""
        status = answer.status if isinstance(answer, ImageResponse) else 200
        counter = self._images_by_status.get(status)
        if counter is None:
            counter = self._images_by_status[status] = self._images.labels(status=str(status))
        counter.inc()
        if isinstance(answer, ImageResponse) and 400 <= status < 500:
            self.refused(answer.entry.get("code"))

    def refused(self, code: object) -> None:
        """An image was rejected, or a request refused as a whole, with this code."""
        name = str(code)
        self._rejected.labels(code=name if name in CODES else "other").inc()

    def request_answered(self, seconds: float) -> None:
        """A request that was admitted has its answer."""
        self._request.observe(seconds)

    def worker_died(self, count: int) -> None:
        """So many workers that were ready are gone; what their engine was is forgotten."""
        self._deaths.inc(count)
        if count:
            self._engines.clear()
            self._engine.clear()

    def readiness(self, *, ready: bool) -> None:
        """Whether /ping is healthy."""
        self._ready.set(ready)

    def model_readiness(self, model: str, *, ready: bool) -> None:
        """Whether one of the models is as it should be."""
        self._model_ready.labels(model=model).set(ready)

    def engine(self, model: Mapping[str, Any]) -> None:
        """What computed, by the words of an answer; workers may differ."""
        found = str(model.get("engine", "")), str(model.get("engine_fallback") or "")
        if found not in self._engines and len(self._engines) < MOST_ENGINES:
            self._engines.add(found)
            self._engine.labels(*found).set(1)
