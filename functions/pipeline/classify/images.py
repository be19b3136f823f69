"""What an image is on its way through the function: an order, fetched, answered, finished."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from pipeline.contracts import Classification, Order, ServerAnswer, Timings
from pipeline.errors import ImageRejected
from pipeline.results.store import Stored


class Fetched(NamedTuple):
    """An image whose bytes are here; the work on it began at `began_at`."""

    order: Order
    data: bytes
    began_at: datetime
    fetch_ms: float


class Answered(NamedTuple):
    """An image that a model classified or rejected, or that was rejected without a request."""

    order: Order
    answer: ServerAnswer | ImageRejected
    began_at: datetime
    timings: Timings


Await = Callable[[], Answered]  # waits for an image's answer; raises ModelUnavailable


class Finished(NamedTuple):
    """An image that needs no more work."""

    classification: Classification
    stored: Stored
