"""The decision about one image, free of clock, network and AWS."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from pipeline.contracts import (
    Classification,
    ImageRef,
    ModelFacts,
    Order,
    Prediction,
    Rejection,
    ServerAnswer,
    Timings,
)
from pipeline.errors import ImageRejected

Fetch = Callable[[ImageRef], bytes]
Predict = Callable[[bytes, Order], ServerAnswer]

PODIUM_STEPS = 3


def classify_image(
    order: Order,
    *,
    fetch: Fetch,
    predict: Predict,
    expected: ModelFacts,
    now: datetime,
    clock_s: Callable[[], float],
) -> Classification:
    """Classify one image at the time `now`; the model that the order or else `expected` names stands where none was asked.

    A picture that no model can read is an answer (`rejected`), not a failure. Anything else that goes wrong
    propagates, and SQS delivers the message again.
    """
    laps_s = [clock_s()]
    outcome: ServerAnswer | ImageRejected
    try:
        data = fetch(order.image)
        laps_s.append(clock_s())
        outcome = predict(data, order)
    except ImageRejected as rejected:
        outcome = rejected
    laps_s.append(clock_s())
    timings = Timings(fetch_ms=_ms(laps_s[1] - laps_s[0]), predict_ms=_ms(laps_s[-1] - laps_s[1]))
    if isinstance(outcome, ImageRejected):
        return _rejected(order, outcome, order.model or expected, timings, now)
    return _classified(order, outcome, timings, now)


def _classified(order: Order, answer: ServerAnswer, timings: Timings, now: datetime) -> Classification:
    best = enumerate(answer.predictions[:PODIUM_STEPS], start=1)
    return Classification(
        image=order.image,
        batch=order.batch,
        status="classified",
        predictions=tuple(Prediction(rank=rank, label=it.label, probability=it.probability) for rank, it in best),
        uncertain=answer.uncertain,
        model=answer.model,
        timings=timings,
        classified_at=now,
    )


def _rejected(
    order: Order, rejected: ImageRejected, expected: ModelFacts, timings: Timings, now: datetime
) -> Classification:
    return Classification(
        image=order.image,
        batch=order.batch,
        status="rejected",
        rejected=Rejection(code=rejected.code, reason=rejected.reason),
        model=rejected.model or expected,
        timings=timings,
        classified_at=now,
    )


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)
