"""A rollout decides about an image by the upload alone, and survives the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest

from pipeline.contracts import ImageRef
from pipeline.rollout.state import Rollout, Stage
from tests.functions.factories import NOON, image_ref

IMAGES = [image_ref(key=f"incoming/monday/{number}.jpg") for number in range(2000)]


def rollout(**changes: object) -> Rollout:
    """Shadow of balls@2.0, since noon."""
    ordinary = {"candidate_name": "balls", "candidate_version": "2.0", "replaces": "balls@1.0"}
    return Rollout.model_validate(ordinary | {"started_at": NOON, "stage_at": NOON} | changes)


def weighted(weight: float) -> Rollout:
    return rollout(stage="weights", weight=weight)


def answered(by: Rollout, images: Sequence[ImageRef] = IMAGES) -> set[str]:
    return {it.key for it in images if by.answers(it)}


@pytest.mark.parametrize("weight", [5, 25, 50])
def test_a_weight_is_the_share_of_images_that_the_candidate_answers(weight: float) -> None:
    assert len(answered(weighted(weight))) / len(IMAGES) == pytest.approx(weight / 100, abs=0.03)


def test_a_greater_weight_keeps_every_image_that_the_smaller_had() -> None:
    assert answered(weighted(5)) < answered(weighted(25)) < answered(weighted(100)) == {it.key for it in IMAGES}


def test_a_redelivery_is_decided_alike_and_an_overwrite_anew() -> None:
    again = [it.model_copy(update={"sequencer": "FF", "version_id": None}) for it in IMAGES]  # backfilled, too
    assert answered(weighted(50), again) == answered(weighted(50))
    overwritten = [it.model_copy(update={"etag": "another"}) for it in IMAGES]
    assert answered(weighted(50), overwritten) != answered(weighted(50))


def test_another_rollout_chooses_other_images() -> None:
    later = rollout(stage="weights", weight=50, started_at=NOON + timedelta(hours=1))
    assert answered(later) != answered(weighted(50))


def test_what_is_compared_is_chosen_independently_of_what_is_answered() -> None:
    half = rollout(stage="weights", weight=50, compared_share=50)
    compared = {it.key for it in IMAGES if half.compares(it)}
    assert len(compared & answered(half)) / len(IMAGES) == pytest.approx(0.25, abs=0.03)


@pytest.mark.parametrize("stage", ["shadow", "promoted", "rolled_back"])
def test_only_in_weights_does_a_candidate_answer(stage: Stage) -> None:
    assert answered(rollout(stage=stage, weight=100)) == set()


@pytest.mark.parametrize("stage", ["promoted", "rolled_back"])
def test_after_its_end_nothing_is_compared(stage: Stage) -> None:
    assert not any(rollout(stage=stage, compared_share=100).compares(it) for it in IMAGES)


def test_an_item_that_is_no_rollout_is_none() -> None:
    assert Rollout.read({}) is None
    assert Rollout.read({"id": {"S": "rollout"}, "stage": {"S": "of a newer version"}}) is None
