"""From the bytes of images to a model's answers about them."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from pipeline.classify.clock import Clock
from pipeline.classify.groups import Group
from pipeline.classify.images import Answered, Await, Fetched
from pipeline.contracts import ModelFacts, Order, Timings
from pipeline.errors import Answer, ModelUnavailable, NotTogether


class Ask(Protocol):
    """What computes, behind one seam: images in, an answer for each out. The pipeline knows nothing else about it."""

    def images_at_once(self) -> int:
        """How many images it takes in one request, as things are now."""

    def ask(self, images: Sequence[bytes], *, budget_s: float, model: ModelFacts | None = None) -> Sequence[Answer]:
        """The answers in the order of the images, of that very model if one is named.

        ModelUnavailable is raised when nothing is known about any of them, and is an answer when that is so of one.
        NotTogether: it does not take these images in one request.
        """


@dataclass(frozen=True)
class Asker:
    """Asks for the images of one SQS batch; threads share it."""

    model: Ask
    clock: Clock
    pool: Executor
    requests: list[int] = field(default_factory=list)  # how many images each request had

    def ask_all(self, groups: Sequence[Group]) -> dict[Order, Await]:
        """Send a request for each group; one of a single image is sent by whoever waits for its answer."""
        # Requests come before images: a request waits for nothing, so whatever waits for one gets its turn.
        requests = [self.pool.submit(self._ask, group) if len(group) > 1 else None for group in groups]
        return {
            image.order: partial(self._answer, image, request, nth)
            for group, request in zip(groups, requests, strict=True)
            for nth, image in enumerate(group)
        }

    def _answer(
        self, image: Fetched, request: Future[Sequence[Answered | ModelUnavailable]] | None, nth: int
    ) -> Answered:
        """The image's answer in the request that it is part of; when that was refused as a whole, by one of its own."""
        try:
            answers = request.result() if request else None
        except NotTogether:
            answers = None
        answer = answers[nth] if answers else self._ask((image,))[0]
        if isinstance(answer, ModelUnavailable):
            raise answer
        return answer

    def _ask(self, images: Group) -> Sequence[Answered | ModelUnavailable]:
        """Ask for images of the same model version; each took as long as their request."""
        self.requests.append(len(images))
        began_s = self.clock.elapsed_s()
        data, model = [image.data for image in images], images[0].order.model
        answers = self.model.ask(data, budget_s=self.clock.left_s(), model=model)
        took_ms = self.clock.ms_since(began_s)
        return [_answered(image, answer, took_ms) for image, answer in zip(images, answers, strict=True)]


def _answered(image: Fetched, answer: Answer, took_ms: float) -> Answered | ModelUnavailable:
    if isinstance(answer, ModelUnavailable):
        return answer
    timings = Timings(fetch_ms=image.fetch_ms, predict_ms=took_ms)
    return Answered(image.order, answer, image.began_at, timings)
