"""The decision about one image."""

from __future__ import annotations

import pytest

from pipeline.classify.conclusion import conclude
from pipeline.contracts import Classification, LabelProbability, ModelFacts
from pipeline.errors import ImageRejected
from tests.functions.factories import ANSWERED, EXPECTED, NOON, answered, classification, order, server_answer


def rejected(rejection: ImageRejected, model: ModelFacts | None = None) -> Classification:
    return conclude(answered(order(model=model), rejection), EXPECTED)


def test_an_image_gets_a_podium_best_first() -> None:
    result = classification()
    assert [(step.rank, step.label) for step in result.predictions] == [
        (1, "golf ball"),
        (2, "tennis ball"),
        (3, "baseball"),
    ]
    assert (result.status, result.batch, result.classified_at) == ("classified", "monday", NOON)


def test_a_model_of_two_classes_gives_a_podium_of_two_steps() -> None:
    """A model may have fewer than three classes."""
    answer = server_answer(
        predictions=[LabelProbability(label="yes", probability=0.7), LabelProbability(label="no", probability=0.3)]
    )
    assert [step.label for step in classification(answer=answer).predictions] == ["yes", "no"]


def test_a_server_that_answers_more_than_three_classes_fills_the_podium_only() -> None:
    answer = server_answer(
        predictions=[LabelProbability(label=label, probability=0.2) for label in ("a", "b", "c", "d", "e")]
    )
    assert [step.label for step in classification(answer=answer).predictions] == ["a", "b", "c"]


def test_ties_keep_the_servers_order() -> None:
    """The server orders ties by class index."""
    answer = server_answer(
        predictions=[LabelProbability(label=it, probability=0.25) for it in ("zebra", "ant", "mole")]
    )
    assert [step.label for step in classification(answer=answer).predictions] == ["zebra", "ant", "mole"]


def test_the_model_that_answered_is_recorded_and_not_the_configured_one() -> None:
    """Another version than the configured one may answer."""
    newer = ANSWERED.model_copy(update={"version": "1.1"})
    assert classification(answer=server_answer(model=newer)).model == newer


def test_an_uncertain_prediction_keeps_its_podium_and_its_reason() -> None:
    result = classification(answer=server_answer(uncertain="best probability 0.41 is below 0.53"))
    assert (result.uncertain, len(result.predictions)) == ("best probability 0.41 is below 0.53", 3)


def test_an_image_that_no_model_saw_is_rejected_under_the_configured_model() -> None:
    result = rejected(ImageRejected("empty", "The file is empty (0 bytes): upload it again."))
    assert (result.status, result.model, result.predictions) == ("rejected", EXPECTED, ())
    assert result.rejected is not None
    assert (result.rejected.code, result.rejected.reason) == ("empty", "The file is empty (0 bytes): upload it again.")


def test_an_image_that_the_model_refused_is_rejected_under_that_model() -> None:
    assert rejected(ImageRejected("unreadable", "It ends early.", ANSWERED)).model == ANSWERED


def test_an_image_that_a_version_was_to_look_at_and_no_model_saw_is_rejected_under_that_version() -> None:
    model = ModelFacts(name="balls", version="2.0")
    assert rejected(ImageRejected("gone", "It was deleted."), model).model == model


def test_the_engine_is_in_the_result_and_no_part_of_what_the_model_is() -> None:
    quicker = ANSWERED.model_copy(update={"engine": "openvino-bf16"})
    result = classification(answer=server_answer(model=quicker))
    assert result.model_dump(mode="json")["model"]["engine"] == "openvino-bf16"
    assert result.model.ref == ANSWERED.ref


@pytest.mark.parametrize(
    ("status", "changes"),
    [
        ("rejected", {}),
        ("classified", {"predictions": ()}),
        ("classified", {"rejected": {"code": "gone", "reason": "."}}),
    ],
)
def test_a_result_cannot_contradict_itself(status: str, changes: dict[str, object]) -> None:
    facts = classification().model_dump() | {"status": status} | changes
    with pytest.raises(ValueError, match="carries"):
        Classification.model_validate(facts)
