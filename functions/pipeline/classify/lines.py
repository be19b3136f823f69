"""From answers to results at rest, many in one object: as JSON Lines, and then as a row for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pipeline.classify.clock import Clock, outcome_of
from pipeline.classify.conclusion import conclude
from pipeline.classify.images import Answered, Await, Finished
from pipeline.classify.store import Storer
from pipeline.contracts import Classification, Order
from pipeline.results.lines import Place
from pipeline.results.store import Stored

ROUND_S = 0.5  # what is answered meanwhile lies in one object: the answers of one request come at one time
STORING_S = 2.0  # of the invocation's time, for the last object and its rows


@dataclass(frozen=True)
class LineStorer(Storer):
    """Stores the results of one SQS batch together; nothing waits longer than a round for what comes late."""

    def store_all(self, answers: Mapping[Order, Answered | Await]) -> dict[Order, Finished | BaseException]:
        """What became of each image until the time was over; images that are answered together lie in one object."""
        waiting = {order: self.pool.submit(self._concluded, answer) for order, answer in answers.items()}
        finished: dict[Order, Finished | BaseException] = {}
        while waiting:
            until = self._round()
            for it in waiting.values():
                outcome_of(it, until)  # waits, until the round is over
            over = self.clock.left_s() <= STORING_S
            settled = {order: outcome_of(it, until) for order, it in waiting.items() if over or it.done()}
            concluded = {order: it for order, it in settled.items() if isinstance(it, Classification)}
            finished |= settled | self._store_together(concluded)
            waiting = {order: it for order, it in waiting.items() if order not in settled}
        return finished

    def _concluded(self, answer: Answered | Await) -> Classification:
        return conclude(answer if isinstance(answer, Answered) else answer(), self.expected)

    def _round(self) -> Clock:
        """A clock on which a round's time ends, or before it what the invocation has for this."""
        began_s, elapsed_s = self.clock.elapsed_s(), self.clock.elapsed_s
        return replace(self.clock, left_s=lambda: min(self.clock.left_s() - STORING_S, began_s + ROUND_S - elapsed_s()))

    def _store_together(self, concluded: Mapping[Order, Classification]) -> dict[Order, Finished | BaseException]:
        if not concluded:
            return {}
        writing = self.pool.submit(self.store.put_lines, tuple(concluded.values()))
        places: Sequence[Place] | BaseException = outcome_of(writing, self.clock)
        if isinstance(places, BaseException):
            return dict.fromkeys(concluded, places)
        rows = {
            order: self.pool.submit(self.store.put_row_of, classification, place)
            for (order, classification), place in zip(concluded.items(), places, strict=True)
        }
        stored: dict[Order, Stored | BaseException] = {order: outcome_of(it, self.clock) for order, it in rows.items()}
        return {
            order: it if isinstance(it, BaseException) else Finished(concluded[order], it)
            for order, it in stored.items()
        }
