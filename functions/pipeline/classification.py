"""The decision about one image, free of clock, network and AWS."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from pipeline.contracts import (
    Classification,
    ImageRef,
    ModelFacts,
    Prediction,
    Rejection,
    ServerAnswer,
    Timings,
)
from pipeline.errors import ImageRejected

Fetch = Callable[[ImageRef], bytes]
Predict = Callable[[bytes, ImageRef], ServerAnswer]

PODIUM_STEPS = 3


def classify_image(
    image: ImageRef,
    *,
    fetch: Fetch,
    predict: Predict,
    expected: ModelFacts,
    now: datetime,
    clock_s: Callable[[], float],
) -> Classification:
    """Classify one image at the time `now`; `expected` stands for the model where none was asked.

    A picture that no model can read is an answer (`rejected`), not a failure. Anything else that goes wrong
    propagates, and SQS delivers the message again.
    """
    laps_s = [clock_s()]
    outcome: ServerAnswer | ImageRejected
    try:
        data = fetch(image)
        laps_s.append(clock_s())
        outcome = predict(data, image)
    except ImageRejected as rejected:
        outcome = rejected
    laps_s.append(clock_s())
    timings = Timings(fetch_ms=_ms(laps_s[1] - laps_s[0]), predict_ms=_ms(laps_s[-1] - laps_s[1]))
    if isinstance(outcome, ImageRejected):
        return _rejected(image, outcome, expected, timings, now)
    return _classified(image, outcome, timings, now)


def _classified(image: ImageRef, answer: ServerAnswer, timings: Timings, now: datetime) -> Classification:
    best = enumerate(answer.predictions[:PODIUM_STEPS], start=1)
    return Classification(
        image=image,
        batch=image.batch,
        status="classified",
        predictions=tuple(Prediction(rank=rank, label=it.label, probability=it.probability) for rank, it in best),
        uncertain=answer.uncertain,
        model=answer.model,
        timings=timings,
        classified_at=now,
    )


def _rejected(
    image: ImageRef, rejected: ImageRejected, expected: ModelFacts, timings: Timings, now: datetime
) -> Classification:
    return Classification(
        image=image,
        batch=image.batch,
        status="rejected",
        rejected=Rejection(code=rejected.code, reason=rejected.reason),
        model=rejected.model or expected,
        timings=timings,
        classified_at=now,
    )


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)
