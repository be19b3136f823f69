"""The promises of the README, held against every schedule that hypothesis thinks of: see simulation/.

In each world the pipeline's real code meets overwrites, late, repeated and reordered events, outages, throttling, answers
that are lost, kills at any step, and other invocations between any two steps. Then faults stop, and the promises are checked.
`SIMULATION_EXAMPLES=20000` lets it think longer; `python -m tests.functions.simulation` counts what happened.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, find, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.functions.simulation import mutants, strategies
from tests.functions.simulation.plan import MOODS, Backfill, Delete, Mood, Outage, Plan, Upload
from tests.functions.simulation.promises import Broken, check
from tests.functions.simulation.run import (
    REAL_CODE,
    Life,
    live_among_bad_images,
    live_through,
    live_through_outages,
    live_with_a_bad_candidate,
    world_of,
)
from tests.functions.simulation.strategies import Plans
from tests.functions.simulation.world import RESULTS, Code

EXAMPLES = int(os.environ.get("SIMULATION_EXAMPLES", "100"))

thoroughly = hypothesis_settings(
    max_examples=EXAMPLES,
    derandomize=True,  # the same schedules in every run
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@thoroughly
@given(plan=strategies.anything)
def test_promise_1_every_object_under_the_prefix_reaches_a_terminal_state(plan: Plan) -> None:
    live_through(plan)


@thoroughly
@given(plan=strategies.lost_events)
def test_promise_1_an_upload_whose_event_was_lost_is_found_and_reaches_a_terminal_state(plan: Plan) -> None:
    live_through(plan)


def test_promise_2_holds_when_a_marker_lies_on_what_a_deletion_uncovered() -> None:
    key = "incoming/a/2.jpg"
    uploads = (Upload(key, after_s=0.0), Upload(key, after_s=0.0))
    actions = (*uploads, Delete(key, 0.0, for_good=True), Backfill(5.0), Delete(key, 60.0, for_good=False))
    live_through(Plan(actions=actions))


@thoroughly
@given(plan=strategies.overwrites)
def test_promise_2_effects_are_exactly_once_and_the_last_upload_wins(plan: Plan) -> None:
    live_through(plan)


@thoroughly
@given(plan=strategies.backfills)
def test_promise_2_a_backfill_of_images_that_are_being_uploaded_never_wins_over_a_newer_upload(plan: Plan) -> None:
    live_through(plan)


@thoroughly
@given(plan=strategies.breakdowns)
def test_promise_3_nothing_is_lost_nothing_is_retried_for_ever_and_dead_letters_can_be_redriven(plan: Plan) -> None:
    live_through(plan)


@thoroughly
@given(plan=strategies.server_outages(st.sampled_from([1.0, 20.0])))
def test_promise_4_a_server_that_is_down_costs_no_image_its_retries(plan: Plan) -> None:
    live_through_outages(plan)


DROUGHT = Plan(
    actions=tuple(Upload(f"incoming/{number}.jpg", after_s=after_s) for number, after_s in enumerate((0.0, 1.0, 4e5))),
    outages=(Outage("server", 60.0, 9 * 86_400.0, "refuses"),), gate_lag_s=20.0,
)  # fmt: skip


def test_promise_4_a_drought_of_nine_days_costs_no_image() -> None:
    """No Spot instance for so long, or nobody who starts the server."""
    live_through_outages(DROUGHT)


def test_four_days_on_the_queue_which_is_what_sqs_gives_would_lose_images_in_a_drought() -> None:
    with pytest.raises(Broken, match="so long that SQS deleted it"):
        live_through_outages(DROUGHT, Code(kept_s=4 * 86_400.0))


def test_promise_4_a_backfill_in_a_drought_pauses_and_every_image_has_its_row_afterwards() -> None:
    """Three days without a server; the bucket's images, whose events nobody saw, do not wait on the queue meanwhile."""
    keys = [f"incoming/old/{number}.jpg" for number in range(6)]
    uploads = tuple(Upload(key, events_after_s=()) for key in keys)
    drought = (Outage("server", 60.0, 3 * 86_400.0, "refuses"),)
    plan = replace(DROUGHT, actions=(*uploads, Backfill(120.0)), outages=drought, pause_above=1)
    waiting: list[int] = []
    with world_of(plan, REAL_CODE) as world:
        world.scheduler.at(2 * 86_400.0, lambda: waiting.append(len(world.queue.messages)))
        world.run()
        check(world)
        assert waiting == [2], "one more than pauses it, and no others"
        assert {image.removeprefix("s3://input/") for image, _ in world.rows.items} == set(keys)


@thoroughly
@given(plan=strategies.bad_images)
def test_promise_5_one_bad_image_never_harms_its_neighbours(plan: Plan) -> None:
    live_among_bad_images(plan)


@thoroughly
@given(plan=st.one_of(strategies.anything, strategies.breakdowns, strategies.backfills))
def test_promises_1_to_3_hold_with_the_model_inside_the_function(plan: Plan) -> None:
    live_through(replace(plan, here=True))


@thoroughly
@given(plan=strategies.bad_images)
def test_promise_5_one_bad_image_never_harms_its_neighbours_with_the_model_inside_the_function(plan: Plan) -> None:
    """Not even once: a picture over which a decoder dies costs the reader's process, and none of the others a receive."""
    live_among_bad_images(replace(plan, here=True))


@thoroughly
@given(plan=st.one_of(strategies.anything, strategies.breakdowns, strategies.backfills, strategies.overwrites))
def test_promises_1_to_3_hold_with_many_results_in_one_object(plan: Plan) -> None:
    live_through(replace(plan, lines=True))


@thoroughly
@given(plan=st.one_of(strategies.lost_events, strategies.anything))
def test_promises_1_to_3_hold_with_many_results_in_one_object_and_the_model_inside_the_function(plan: Plan) -> None:
    live_through(replace(plan, lines=True, here=True))


@thoroughly
@given(plan=strategies.server_outages(st.sampled_from([1.0, 20.0])))
def test_promise_4_a_server_that_is_down_costs_no_image_its_retries_with_many_results_in_one_object(plan: Plan) -> None:
    live_through_outages(replace(plan, lines=True))


@thoroughly
@given(plan=strategies.bad_images, here=st.booleans())
def test_promise_5_one_bad_image_never_harms_its_neighbours_with_many_results_in_one_object(
    plan: Plan, here: bool
) -> None:
    live_among_bad_images(replace(plan, lines=True, here=here))


@thoroughly
@given(plan=strategies.anything)
def test_no_object_of_many_results_is_ever_overwritten_with_other_bytes(plan: Plan) -> None:
    with world_of(replace(plan, lines=True)) as world:
        world.run()
        objects = world.s3.buckets[RESULTS]
        assert all(key.startswith("results/lines/2026-11-2") for key in objects)
        assert all(len({version.data for version in versions}) == 1 for versions in objects.values())


def in_lines(plans: Plans) -> Plans:
    return plans.map(lambda plan: replace(plan, lines=True))


@given(plan=strategies.rollouts)
def test_promises_1_to_3_hold_while_a_rollout_goes_on_and_is_rolled_back(plan: Plan) -> None:
    live_through(plan)


@thoroughly
@given(plan=strategies.rollouts)
def test_promises_1_to_3_hold_in_a_rollout_of_a_model_inside_the_function(plan: Plan) -> None:
    live_through(replace(plan, here=True))


@thoroughly
@given(plan=strategies.shadows)
def test_promise_2_no_answer_of_a_candidate_that_is_only_compared_becomes_a_result(plan: Plan) -> None:
    live_through(plan)


@thoroughly
@given(plan=strategies.bad_candidates())
def test_promise_4_a_candidate_that_is_down_costs_no_image_a_receive(plan: Plan) -> None:
    live_with_a_bad_candidate(plan)


class Mistake(NamedTuple):
    """What is wrong in the code, the worlds that show it, how they are lived through, and the promise that breaks."""

    code: Code
    plans: Plans
    life: Life
    promise: str


MISTAKES: dict[str, Mistake] = {
    "rows are written unconditionally": Mistake(
        Code(store=mutants.NoCondition), strategies.overwrites, live_through, "promise 2"
    ),
    "rows are written after a look, not on condition": Mistake(
        Code(store=mutants.LooksThenWrites), strategies.interleavings, live_through, "promise 2"
    ),
    "the first upload wins": Mistake(Code(store=mutants.FirstWins), strategies.overwrites, live_through, "promise"),
    "the condition is reversed": Mistake(
        Code(store=mutants.ReversedCondition), strategies.overwrites, live_through, "promise"
    ),
    "the row comes before its JSON": Mistake(
        Code(store=mutants.RowBeforeJson), strategies.anything, live_through, "promise 2"
    ),
    "a row names the line of its neighbour": Mistake(
        Code(store=mutants.OneLineTooFar), in_lines(strategies.overwrites), live_through, "promise 2"
    ),
    "rows come before their lines": Mistake(
        Code(store=mutants.RowsBeforeLines), in_lines(strategies.anything), live_through, "promise 2"
    ),
    "lines are written over lines": Mistake(
        Code(store=mutants.LinesUnderOneName), in_lines(strategies.overwrites), live_through, "promise 2"
    ),
    "sequencers are padded on the left": Mistake(
        Code(store=mutants.PaddedOnTheLeft), strategies.overwrites, live_through, "promise 2"
    ),
    "what is backfilled wins over uploads": Mistake(
        Code(order_for=mutants.wins_over_everything), strategies.backfills, live_through, "promise 2"
    ),
    "the latest bytes are classified": Mistake(
        Code(s3=mutants.LatestBytes), strategies.overwrites, live_through, "promise 2"
    ),
    "everything is acknowledged": Mistake(
        Code(handler=mutants.acknowledges_everything), strategies.breakdowns, live_through, "promise 1"
    ),
    "a dead letter that is not sent is forgotten": Mistake(
        Code(queue=mutants.BuriesOrNot), strategies.dead_letters, live_through, "promise 3"
    ),
    "there is no back-off": Mistake(
        Code(queue=mutants.NoBackOff), strategies.server_outages(st.just(1.0)), live_through_outages, "promise 4"
    ),
    "one failure fails the whole batch": Mistake(
        Code(handler=mutants.fails_together), strategies.bad_images, live_among_bad_images, "promise 5"
    ),
    "a group whose server died is sent together again for ever": Mistake(
        Code(handler=mutants.asks_together_for_ever), strategies.bad_images, live_among_bad_images, "promise 5"
    ),
    "a server that takes no tars is thought to be down": Mistake(
        Code(model=mutants.NeverAlone), strategies.bad_images, live_among_bad_images, "promise 5"
    ),
    "the answers of one request are dealt in another order": Mistake(
        Code(model=mutants.DealsBackwards), strategies.anything, live_through, "promise 2"
    ),
    "a candidate that is only compared answers": Mistake(
        Code(trials=mutants.ShadowAnswers), strategies.shadows, live_through, "promise 2"
    ),
    "nobody stands behind a candidate": Mistake(
        Code(trials=mutants.NothingBehind), strategies.bad_candidates(), live_with_a_bad_candidate, "rollout"
    ),
    "there is no gate": Mistake(REAL_CODE, strategies.server_outages(st.none()), live_through_outages, "promise 4"),
}


def falsifying(plans: Plans, life: Life, code: Code, promise: str, *phases: Phase) -> Plan:
    """A plan under which the code breaks the promise; NoSuchExample when none of so many does."""

    def breaks(plan: Plan) -> bool:
        try:
            life(plan, code)
        except Broken as broken:
            return promise in str(broken)
        return False

    return find(plans, breaks, settings=hypothesis_settings(thoroughly, max_examples=1_000, phases=phases))


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_the_code_breaks_a_promise(mistake: str) -> None:
    """And the code without the mistake keeps it, in the very world that broke the other."""
    code, plans, life, promise = MISTAKES[mistake]
    plan = falsifying(plans, life, code, promise, Phase.generate)
    if code != REAL_CODE:
        life(plan, REAL_CODE)


@hypothesis_settings(thoroughly, max_examples=20)
@given(plan=strategies.anything)
def test_the_same_plan_is_the_same_world(plan: Plan) -> None:
    """Else a schedule that was found could not be found again."""
    traces = []
    for _ in range(2):
        with world_of(plan) as world:
            world.run()
            traces.append(world.faults.trace)
    assert traces[0] == traces[1]


WORDS: dict[Mood, str] = {
    "refuses": "connection refused",
    "busy": "answered 503",
    "hangs": "timed out",
    "garbled": "answered 200 with a body that is no answer",
    "unregistered": "answered 404",
    "forbidden": "answered 403",
    "confused": "answered 400",
}


@pytest.mark.parametrize("mood", MOODS)
def test_a_dead_letter_says_how_the_server_was_down(mood: Mood) -> None:
    with world_of(Plan(outages=(Outage("server", 0.0, 7_200.0, mood),))) as world:
        world.run()
        [dead] = world.dead_letters.sent
        assert WORDS[mood] in dead.attributes["reason"]["StringValue"]


def test_an_upload_whose_event_was_lost_is_lost_without_reconcile() -> None:
    """Else the test of it above could pass by testing nothing."""
    for reconcile in (False, True):
        with world_of(Plan(actions=(Upload(events_after_s=()),), reconcile=reconcile)) as world:
            world.run()
            assert len(world.rows.items) == reconcile
