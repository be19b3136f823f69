"""So many images as memory holds, on their way together: fetch them, ask for them in groups, store them.

No image waits for another but in two places: requests are made when the wave was fetched, and an image is stored when
the request that it is part of was answered.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from pipeline.classify.conclusion import Fetched
from pipeline.classify.groups import Group
from pipeline.contracts import Classification, Order
from pipeline.errors import ModelUnavailable
from pipeline.results.store import Stored

IMAGES_AT_ONCE = 32  # in memory, and connections of every client; not less than the queue mapping's BatchSize
THREADS = IMAGES_AT_ONCE + IMAGES_AT_ONCE // 2  # one for each image, and one for each request of two or more
FETCHING_S = 10.0  # S3's client gives up a try after 5 s, and makes two; one that is slower does not hold up the others

FETCHED_TOO_LATE = "S3 did not hand over the image in the time that its neighbours could wait"
DONE_TOO_LATE = "the invocation's time ended before this was done"

Answers = Sequence[Classification | ModelUnavailable]


class Finished(NamedTuple):
    """An image that needs no more work."""

    classification: Classification
    stored: Stored


class OutOfTime(Exception):
    """The time ended first, the invocation's or that for fetching: the message returns to the queue."""


class Steps(Protocol):
    """An image's way. Each step bears being repeated, and raises whatever is not the image's fault."""

    def fetch(self, order: Order) -> Fetched | Finished:
        """Its bytes; Finished when no model could look at it."""

    def ask_alone(self, image: Fetched) -> Classification:
        """Its result, by a request of its own."""

    def ask_together(self, images: Group) -> Answers | None:
        """Their results, by one request, in their order; None when each has to be asked alone."""

    def store(self, classification: Classification) -> Finished:
        """The result, at rest."""


@dataclass(frozen=True)
class Wave:
    """`group` says which of the images are asked together. Whatever goes wrong stays with the images it went wrong with."""

    steps: Steps
    group: Callable[[Sequence[Fetched]], Sequence[Group]]
    pool: Executor
    time_left_s: Callable[[], float]

    def work(self, orders: Sequence[Order]) -> dict[Order, Finished | BaseException]:
        """What became of each of them until the time was over; what goes on then is not waited for."""
        fetched = self._fetch(orders)
        groups = self.group([it for it in fetched.values() if isinstance(it, Fetched)])
        # Requests come before images: a request waits for nothing, so whatever waits for one gets its turn.
        requests = [self.pool.submit(self.steps.ask_together, it) if len(it) > 1 else None for it in groups]
        finishing = {
            image.order: self.pool.submit(self._finish, image, request, nth)
            for images, request in zip(groups, requests, strict=True)
            for nth, image in enumerate(images)
        }
        done = {order: outcome for order, outcome in fetched.items() if not isinstance(outcome, Fetched)}
        return done | {order: outcome_of(it, self.time_left_s()) for order, it in finishing.items()}

    def _fetch(self, orders: Sequence[Order]) -> dict[Order, Fetched | Finished | BaseException]:
        kept_s = max(0.0, self.time_left_s() - FETCHING_S)
        fetching = {order: self.pool.submit(self.steps.fetch, order) for order in orders}
        return {order: outcome_of(it, self.time_left_s() - kept_s, FETCHED_TOO_LATE) for order, it in fetching.items()}

    def _finish(self, image: Fetched, request: Future[Answers | None] | None, nth: int) -> Finished:
        answers = request.result() if request else None
        answer = self.steps.ask_alone(image) if answers is None else answers[nth]
        if isinstance(answer, ModelUnavailable):
            raise answer
        return self.steps.store(answer)


def outcome_of(future: Future[Any], wait_s: float, too_late: str = DONE_TOO_LATE) -> Any:  # noqa: ANN401 (its result)
    """Its result, or what it raised, within so many seconds; else OutOfTime, with the reason `too_late`."""
    try:
        return future.exception(max(0.0, wait_s)) or future.result()
    except TimeoutError:  # of this waiting: one that the work itself raised is returned above
        return OutOfTime(too_late)
