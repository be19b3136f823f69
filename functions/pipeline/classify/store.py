"""From answers to results at rest."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass

from pipeline.classify.clock import Clock, outcome_of
from pipeline.classify.conclusion import conclude
from pipeline.classify.images import Answered, Await, Finished
from pipeline.contracts import ModelFacts, Order
from pipeline.results.store import Store


@dataclass(frozen=True)
class Storer:
    """Stores the results of one SQS batch; threads share it."""

    store: Store
    expected: ModelFacts
    clock: Clock
    pool: Executor

    def store_all(self, answers: Mapping[Order, Answered | Await]) -> dict[Order, Finished | BaseException]:
        """What became of each image until the time was over; an image is stored as soon as it is answered."""
        storing = {order: self.pool.submit(self.store_one, answer) for order, answer in answers.items()}
        return {order: outcome_of(it, self.clock) for order, it in storing.items()}

    def store_one(self, answer: Answered | Await) -> Finished:
        """The image's result, once its answer is here, as JSON and then as the row."""
        answered = answer if isinstance(answer, Answered) else answer()
        classification = conclude(answered, self.expected)
        return Finished(classification, self.store.put(classification))
