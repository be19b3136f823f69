"""The decision about one image, free of clock, network and AWS."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from pipeline.contracts import (
    Classification,
    ModelFacts,
    Order,
    Prediction,
    Rejection,
    ServerAnswer,
    Timings,
)
from pipeline.errors import ImageRejected

PODIUM_STEPS = 3


class Fetched(NamedTuple):
    """An image whose bytes are here; the work on it began at `began_at`."""

    order: Order
    data: bytes
    began_at: datetime
    fetch_ms: float


def conclude(
    order: Order, outcome: ServerAnswer | ImageRejected, *, expected: ModelFacts, timings: Timings, began_at: datetime
) -> Classification:
    """The result of one image; the model that the order or else `expected` names stands where none was asked.

    A picture that no model can read is an answer (`rejected`), not a failure.
    """
    if isinstance(outcome, ImageRejected):
        return _rejected(order, outcome, order.model or expected, timings, began_at)
    return _classified(order, outcome, timings, began_at)


def _classified(order: Order, answer: ServerAnswer, timings: Timings, began_at: datetime) -> Classification:
    best = enumerate(answer.predictions[:PODIUM_STEPS], start=1)
    return Classification(
        image=order.image,
        batch=order.batch,
        status="classified",
        predictions=tuple(Prediction(rank=rank, label=it.label, probability=it.probability) for rank, it in best),
        uncertain=answer.uncertain,
        model=answer.model,
        timings=timings,
        classified_at=began_at,
    )


def _rejected(
    order: Order, rejected: ImageRejected, expected: ModelFacts, timings: Timings, began_at: datetime
) -> Classification:
    return Classification(
        image=order.image,
        batch=order.batch,
        status="rejected",
        rejected=Rejection(code=rejected.code, reason=rejected.reason),
        model=rejected.model or expected,
        timings=timings,
        classified_at=began_at,
    )
