"""What is reported about an SQS batch: a log line for every image, and metrics for the whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from aws_lambda_powertools.metrics import MetricUnit

from pipeline.classify.answer import Outcomes
from pipeline.classify.clock import OutOfTime
from pipeline.classify.images import Finished
from pipeline.classify.trial import Trial
from pipeline.contracts import Classification, ModelFacts, Order
from pipeline.errors import ModelUnavailable
from pipeline.telemetry import count, count_apart, logger, metrics


def report(
    outcomes: Outcomes, expected: ModelFacts, given_up: Mapping[str, str], requests: Sequence[int], trial: Trial
) -> None:
    """Log what became of every image and message, and count it.

    `expected` is the configured model; `requests` are the numbers of images of each request to the model. The candidate
    of a rollout may answer in the configured model's place.
    """
    for order, outcome in outcomes.images.items():
        _log_image(order, outcome)
    for message_id, reason in outcomes.unreadable.items():
        logger.warning("message unreadable", message_id=message_id, reason=reason)
    for message_id, problem in outcomes.broken.items():
        logger.error("message failed", message_id=message_id, exc_info=problem)
    for message_id, reason in given_up.items():
        logger.error("message given up", message_id=message_id, reason=reason)
    _count(outcomes, expected, len(given_up), trial)
    _count_requests(requests)


def _log_image(order: Order, outcome: Finished | BaseException) -> None:
    match outcome:
        case Finished(classification, stored):
            logger.info("image done", extra=_facts(classification) | {"stored": stored, "sender": order.sender})
        case ModelUnavailable() | OutOfTime():
            logger.warning(
                "image not done yet", image=order.image.uri, version_id=order.image.version_id, reason=str(outcome)
            )
        case BaseException():
            logger.error("image failed", image=order.image.uri, version_id=order.image.version_id, exc_info=outcome)


def _facts(done: Classification) -> dict[str, object]:
    return {
        "image": done.image.uri,
        "version_id": done.image.version_id,
        "status": done.status,
        "label": done.best.label if done.best else None,
        "probability": done.best.probability if done.best else None,
        "uncertain": done.uncertain,
        "rejected": done.rejected.code if done.rejected else None,
        "model": done.model.ref,
        "fetch_ms": done.timings.fetch_ms,
        "predict_ms": done.timings.predict_ms,
    }


def _count(outcomes: Outcomes, expected: ModelFacts, given_up: int, trial: Trial) -> None:
    finished = [outcome for outcome in outcomes.images.values() if isinstance(outcome, Finished)]
    failed = [outcome for outcome in outcomes.images.values() if isinstance(outcome, BaseException)]
    fresh = [outcome.classification for outcome in finished if outcome.stored == "stored"]
    classified = [result for result in fresh if result.status == "classified"]
    unavailable = [problem for problem in failed if isinstance(problem, ModelUnavailable)]
    metrics.add_dimension(name="model", value=expected.ref)
    counts = {
        "ImagesClassified": len(classified),
        "ImagesUncertain": sum(result.uncertain is not None for result in classified),
        "ImagesSuperseded": sum(outcome.stored == "superseded" for outcome in finished),
        "ImagesRepeated": sum(outcome.stored == "repeated" for outcome in finished),
        "ImagesFailed": len(failed) - len(unavailable),
        "ModelUnavailable": len(unavailable),
        "MessagesUnreadable": len(outcomes.unreadable),
        "MessagesGivenUp": given_up,
        "VersionMismatch": sum(
            isinstance(outcome, Finished) and not _is_expected(outcome.classification.model, order, expected, trial)
            for order, outcome in outcomes.images.items()
        )
        + trial.counts["mismatched"],
    }
    for name, number in counts.items():
        count(name, number)
    for result in classified:
        metrics.add_metric(name="FetchLatency", unit=MetricUnit.Milliseconds, value=result.timings.fetch_ms)
        metrics.add_metric(name="PredictLatency", unit=MetricUnit.Milliseconds, value=result.timings.predict_ms)
    _count_rejections(fresh, expected)


def _is_expected(model: ModelFacts, order: Order, expected: ModelFacts, trial: Trial) -> bool:
    candidates = {trial.candidate.ref} if trial.candidate and order.model is None else set()
    return model.ref in {(order.model or expected).ref} | candidates


def _count_requests(requests: Sequence[int]) -> None:
    count("ModelRequests", len(requests))
    for images in requests:
        count("ImagesPerRequest", images)


def _count_rejections(results: Iterable[Classification], expected: ModelFacts) -> None:
    reasons = Counter(result.rejected.code for result in results if result.rejected)
    for reason, number in reasons.items():
        count_apart("ImagesRejected", number, model=expected.ref, reason=reason)
