"""The two models of a rollout, and answers of the candidate: whatever is wrong with them is a ModelUnavailable, and no exception."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.classify.ask import Ask
from pipeline.contracts import ModelFacts, ServerAnswer
from pipeline.errors import Answer, ImageRejected, ModelUnavailable, NotTogether


@dataclass(frozen=True)
class Models:
    """The configured model and the one that is tried."""

    current: Ask
    candidate: Ask
    facts: ModelFacts  # of the candidate


class AnotherModel(ModelUnavailable):
    """Something answered under the candidate's name that says it is another model."""


def answers_of(ask: Ask, images: Sequence[bytes], *, budget_s: float, model: ModelFacts | None) -> Sequence[Answer]:
    """The answers, ModelUnavailable among them; if these images are not taken together, each alone."""
    try:
        return ask.ask(images, budget_s=budget_s, model=model)
    except NotTogether:
        return [_alone(ask, it, budget_s / len(images), model) for it in images]
    except ModelUnavailable as problem:
        return [problem] * len(images)


def _alone(ask: Ask, image: bytes, budget_s: float, model: ModelFacts | None) -> Answer:
    try:
        [answer] = ask.ask([image], budget_s=budget_s, model=model)
    except (ModelUnavailable, NotTogether) as problem:
        return problem if isinstance(problem, ModelUnavailable) else ModelUnavailable("a single image was refused")
    return answer


def checked(answer: Answer, expected: ModelFacts) -> Answer:
    """The answer if that very model gave it."""
    match answer:
        case ServerAnswer(model=model) if model.ref != expected.ref:
            return AnotherModel(f"{expected.ref} was asked for, and {model.ref} answered")
        case ImageRejected(model=ModelFacts() as model) if model.ref != expected.ref:
            return AnotherModel(f"{expected.ref} was asked for, and {model.ref} answered")
        case _:
            return answer
