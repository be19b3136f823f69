"""An image's way, step by step, with the services that take part in it: fetch, ask, store."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pipeline.aws import Connections
from pipeline.classify.conclusion import Fetched, conclude
from pipeline.classify.fetch import fetch
from pipeline.classify.groups import Group
from pipeline.classify.waves import Answers, Finished
from pipeline.contracts import Classification, Order, ServerAnswer, Timings
from pipeline.errors import ImageRejected, ModelUnavailable
from pipeline.model_server.answers import Outcome
from pipeline.model_server.client import Sent
from pipeline.settings import Settings


def utc_now() -> datetime:
    """The time of day."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class ImageSteps:
    """The steps of one SQS batch's images, which threads take at the same time; doing one again ends in the same state."""

    connections: Connections
    settings: Settings
    time_left_s: Callable[[], float]
    now: Callable[[], datetime] = utc_now
    clock_s: Callable[[], float] = time.monotonic
    requests: list[int] = field(default_factory=list)  # how many images each request to the model server had

    def fetch(self, order: Order) -> Fetched | Finished:
        """The image's bytes; what no model could look at is stored as rejected, without waiting for the others."""
        began_at, began_s = self.now(), self.clock_s()
        try:
            data = fetch(order.image, self.connections.s3, max_bytes=self.settings.max_image_bytes)
        except ImageRejected as rejected:
            timings = Timings(fetch_ms=self._ms_since(began_s), predict_ms=0)
            return self.store(
                conclude(order, rejected, expected=self.settings.model, timings=timings, began_at=began_at)
            )
        return Fetched(order, data, began_at, self._ms_since(began_s))

    def ask_alone(self, image: Fetched) -> Classification:
        """The model server's answer to one image, or its rejection."""
        began_s, order = self.clock_s(), image.order
        self.requests.append(1)
        outcome: ServerAnswer | ImageRejected
        try:
            outcome = self.connections.model.predict(
                image.data, order.image, model=order.model, budget_s=self.time_left_s()
            )
        except ImageRejected as rejected:
            outcome = rejected
        return self._concluded(image, outcome, self._ms_since(began_s))

    def ask_together(self, images: Group) -> Answers | None:
        """The model server's answers to images that ask for the same version; None when it does not take them together."""
        began_s = self.clock_s()
        self.requests.append(len(images))
        outcomes = self.connections.model.predict_together(
            [Sent(image.order.image, image.data) for image in images],
            model=images[0].order.model,
            budget_s=self.time_left_s(),
        )
        if outcomes is None:
            return None
        took_ms = self._ms_since(began_s)
        return [self._answered(image, outcome, took_ms) for image, outcome in zip(images, outcomes, strict=True)]

    def store(self, classification: Classification) -> Finished:
        """The JSON, and then the row."""
        return Finished(classification, self.connections.store.put(classification))

    def _answered(self, image: Fetched, outcome: Outcome, took_ms: float) -> Classification | ModelUnavailable:
        return outcome if isinstance(outcome, ModelUnavailable) else self._concluded(image, outcome, took_ms)

    def _concluded(self, image: Fetched, outcome: ServerAnswer | ImageRejected, took_ms: float) -> Classification:
        timings = Timings(fetch_ms=image.fetch_ms, predict_ms=took_ms)
        return conclude(image.order, outcome, expected=self.settings.model, timings=timings, began_at=image.began_at)

    def _ms_since(self, began_s: float) -> float:
        return round((self.clock_s() - began_s) * 1000, 1)
