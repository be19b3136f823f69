"""The result of one image, free of clock, network and AWS."""

from __future__ import annotations

from pipeline.classify.images import Answered
from pipeline.contracts import Classification, ModelFacts, Prediction, Rejection, ServerAnswer
from pipeline.errors import ImageRejected

PODIUM_STEPS = 3


def conclude(answered: Answered, expected: ModelFacts) -> Classification:
    """The result. Without a request to a model it names the model of the order or else `expected`, the configured one.

    A picture that no model can read has a result (`rejected`), and is no failure.
    """
    match answered.answer:
        case ImageRejected() as rejected:
            return _rejected(answered, rejected, answered.order.model or expected)
        case ServerAnswer() as answer:
            return _classified(answered, answer)


def _classified(answered: Answered, answer: ServerAnswer) -> Classification:
    best = enumerate(answer.predictions[:PODIUM_STEPS], start=1)
    return Classification(
        image=answered.order.image,
        batch=answered.order.batch,
        status="classified",
        predictions=tuple(Prediction(rank=rank, label=it.label, probability=it.probability) for rank, it in best),
        uncertain=answer.uncertain,
        model=answer.model,
        timings=answered.timings,
        classified_at=answered.began_at,
    )


def _rejected(answered: Answered, rejected: ImageRejected, expected: ModelFacts) -> Classification:
    return Classification(
        image=answered.order.image,
        batch=answered.order.batch,
        status="rejected",
        rejected=Rejection(code=rejected.code, reason=rejected.reason),
        model=rejected.model or expected,
        timings=answered.timings,
        classified_at=answered.began_at,
    )
