"""A rollout inside one invocation: which images the candidate answers, and which are shown to both models.

images -> split -> the candidate's, with the current model behind it -> stored -> compare -> tally, samples, metrics

No image depends on a candidate. What it does not answer, the current model answers at once; a message that was received
before is the current model's alone, so a candidate that kills the function costs an image one receive; and images are
compared after their results are stored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import datetime

from pipeline.classify.ask import Asker
from pipeline.classify.candidate import AnotherModel, Models, answers_of, checked
from pipeline.classify.clock import Clock, OutOfTime, outcome_of
from pipeline.classify.groups import Group, groups_of
from pipeline.classify.images import Await, Fetched, Finished
from pipeline.contracts import Classification, ModelFacts, Order
from pipeline.errors import Answer, ModelUnavailable
from pipeline.rollout.comparison import Compared, Side, side_of
from pipeline.rollout.judgement import broken_limits
from pipeline.rollout.ledger import Rollouts
from pipeline.rollout.samples import Samples
from pipeline.rollout.state import Rollout
from pipeline.rollout.tally import counts_of
from pipeline.telemetry import count_apart, logger

CANDIDATE_S = (
    10.0  # for one request, and a third of what is left at most: the current model may have to answer after it
)
LEAST_S = 3.0  # with less, a model is not asked, and not blamed
SPARE_S = 8.0  # of an invocation's time are not spent on comparing


@dataclass
class Trial:
    """The rollout in this invocation. Without one, it does nothing."""

    rollout: Rollout | None = None
    models: Models | None = None
    clock: Clock | None = None
    counts: Counter[str] = field(default_factory=Counter)
    disagreements: list[Compared] = field(default_factory=list)
    last_error: str | None = None
    broken: bool = False  # the candidate is beyond its limits

    @property
    def candidate(self) -> ModelFacts | None:
        """The model whose name in a result is no mistake while it answers."""
        return self.models.facts if self.models else None

    def split(
        self, images: Sequence[Fetched], came_before: Collection[Order]
    ) -> tuple[Sequence[Fetched], Sequence[Fetched]]:
        """The images that the current model answers, and those that the candidate does."""
        if self.rollout is None:
            return images, ()
        its = {it.order for it in images if self._may_have(it.order, came_before) and self._answers(it.order)}
        return [it for it in images if it.order not in its], [it for it in images if it.order in its]

    def ask_all(self, images: Sequence[Fetched], pool: Executor) -> dict[Order, Await]:
        """As `Asker.ask_all`, of the candidate; what it does not answer, the current model does."""
        if not images or self.models is None or self.clock is None:
            return {}
        both = WithTheCurrentBehind(self.models, self)
        return Asker(both, self.clock, pool).ask_all(groups_of(images, (), both.images_at_once()))

    def compare(
        self,
        images: Sequence[Fetched],
        outcomes: Mapping[Order, Finished | BaseException],
        came_before: Collection[Order],
        pool: Executor,
    ) -> None:
        """Ask the other model for some images that have their result; nothing that happens here concerns the results.

        `images` are those whose bytes are still here: of a message that names very many, the last ones.
        """
        chosen = [it for it in images if self._is_compared(it.order, outcomes, came_before)]
        if not chosen or self.clock is None:
            return
        self.counts["chosen"] += len(chosen)
        work = pool.submit(self._compare, chosen, outcomes)
        match outcome_of(work, self.clock, keep_s=SPARE_S):
            case OutOfTime():
                logger.warning("rollout not compared", reason="the invocation's time ended")
            case BaseException() as problem:
                logger.error("rollout not compared", exc_info=problem)

    def report(self, rollouts: Rollouts, samples: Samples, now: datetime) -> None:
        """Add what was seen to the tally; metrics for the alarms, if the candidate is beyond its limits."""
        if self.rollout is None or not +self.counts:
            return
        disagreements = list(self.disagreements)  # a thread whose time was over may still add one
        tally = rollouts.add(self.rollout, Counter(self.counts), self.last_error, now)
        samples.keep(self.rollout, disagreements, disagreed=tally.disagreed)
        broken = broken_limits(self.rollout, tally)
        self.broken = bool(broken)
        for limit, sentence in broken.items():
            logger.error("rollout beyond its limit", limit=limit, candidate=self.rollout.candidate.ref, reason=sentence)
        count_apart("RolloutCompared", self.counts["compared"])
        count_apart("RolloutDisagreementHigh", int("disagreement" in broken))
        count_apart("RolloutErrorsHigh", int("errors" in broken))

    def failed(self, problem: ModelUnavailable, images: int, *, mismatched: bool = False) -> None:
        """Count images that the candidate did not answer, while the current model did."""
        self.counts["errors"] += images
        self.counts["mismatched"] += images * mismatched
        self.last_error = str(problem)

    def _may_have(self, order: Order, came_before: Collection[Order]) -> bool:
        return order.model is None and order not in came_before

    def _answers(self, order: Order) -> bool:
        return self.rollout is not None and order.sender != "rollout" and self.rollout.answers(order.image)

    def _is_compared(
        self, order: Order, outcomes: Mapping[Order, Finished | BaseException], came_before: Collection[Order]
    ) -> bool:
        if self.rollout is None or not self._may_have(order, came_before):
            return False
        chosen = order.sender == "rollout" or self.rollout.compares(order.image)
        return chosen and isinstance(outcomes.get(order), Finished)

    def _compare(self, images: Sequence[Fetched], outcomes: Mapping[Order, Finished | BaseException]) -> None:
        """The images of one model's results are shown to the other, group by group, as long as there is time."""
        results = {order: it.classification for order, it in outcomes.items() if isinstance(it, Finished)}
        assert self.models is not None
        for ask_candidate in (True, False):
            other = self.models.candidate if ask_candidate else self.models.current
            those = [it for it in images if (results[it.order].model.ref != self.models.facts.ref) == ask_candidate]
            for group in groups_of(those, (), other.images_at_once()):
                self._compare_group(group, results, ask_candidate=ask_candidate)

    def _compare_group(self, group: Group, results: Mapping[Order, Classification], *, ask_candidate: bool) -> None:
        assert self.models is not None
        assert self.clock is not None
        budget_s = min(CANDIDATE_S, self.clock.left_s() - SPARE_S)
        if budget_s < LEAST_S:
            self.counts["skipped"] += len(group)
            return
        other, model = (self.models.candidate, self.models.facts) if ask_candidate else (self.models.current, None)
        began_s = self.clock.elapsed_s()
        answers = answers_of(other, [it.data for it in group], budget_s=budget_s, model=model)
        took_ms = self.clock.ms_since(began_s)
        for image, given in zip(group, answers, strict=True):
            answer = checked(given, model) if model else given
            if isinstance(answer, ModelUnavailable):
                if ask_candidate:
                    self.failed(answer, 1, mismatched=isinstance(answer, AnotherModel))
                continue
            self._note(results[image.order], side_of(answer, took_ms), ask_candidate=ask_candidate)

    def _note(self, result: Classification, other: Side, *, ask_candidate: bool) -> None:
        assert self.rollout is not None
        mine = Side(
            predictions=result.predictions, uncertain=result.uncertain,
            rejected=result.rejected.code if result.rejected else None, request_ms=result.timings.predict_ms,
        )  # fmt: skip
        current, candidate = (mine, other) if ask_candidate else (other, mine)
        compared = Compared(
            image=result.image.uri, version_id=result.image.version_id, current_model=self.rollout.replaces,
            candidate_model=self.rollout.candidate.ref, current=current, candidate=candidate,
        )  # fmt: skip
        self.counts.update(counts_of(compared))
        if not compared.same_top1:
            self.disagreements.append(compared)


@dataclass(frozen=True)
class WithTheCurrentBehind:
    """`Ask`: the candidate, and for what it does not answer, the current model."""

    models: Models
    trial: Trial

    def images_at_once(self) -> int:
        """As few as either takes."""
        return min(self.models.candidate.images_at_once(), self.models.current.images_at_once())

    def ask(self, images: Sequence[bytes], *, budget_s: float, model: ModelFacts | None = None) -> list[Answer]:
        """The answers in the order of the images; ModelUnavailable and NotTogether are the current model's."""
        assert self.trial.clock is not None
        began_s = self.trial.clock.elapsed_s()
        mine = min(CANDIDATE_S, budget_s / 3)
        if mine < LEAST_S:
            return list(self.models.current.ask(images, budget_s=budget_s, model=model))
        answers = [
            checked(it, self.models.facts)
            for it in answers_of(self.models.candidate, images, budget_s=mine, model=self.models.facts)
        ]
        open_ones = [nth for nth, it in enumerate(answers) if isinstance(it, ModelUnavailable)]
        if open_ones:
            left_s = budget_s - (self.trial.clock.elapsed_s() - began_s)
            again = self.models.current.ask([images[nth] for nth in open_ones], budget_s=left_s, model=model)
            for nth, answer in zip(open_ones, again, strict=True):
                problem = answers[nth]
                if isinstance(problem, ModelUnavailable) and not isinstance(answer, ModelUnavailable):
                    self.trial.failed(problem, 1, mismatched=isinstance(problem, AnotherModel))
                answers[nth] = answer
        self.trial.counts["answered"] += len(images) - len(open_ones)
        return answers
