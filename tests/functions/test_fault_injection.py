"""Every step of the classify function fails once, in every way that it could; the next delivery ends as without a fault.

The steps are those of a run without faults, recorded; none is listed by hand. See simulation/.
"""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import product
from typing import Any

import pytest

from tests.functions.simulation.plan import KINDS, Fault, Kind, Outage, Plan, Step, Stray, Upload
from tests.functions.simulation.promises import check
from tests.functions.simulation.run import world_of
from tests.functions.simulation.witness import document_of
from tests.functions.simulation.world import RESULTS, World

WAYS = {
    "one image": Plan(),
    "three images in a batch": Plan(actions=tuple(Upload(f"incoming/a/{n}.jpg") for n in range(3))),
    "two images in one message": Plan(
        actions=(Upload(events_after_s=()), Upload("incoming/2.jpg", with_the_one_before=True))
    ),
    "no image": Plan(actions=(Upload(content="text"),)),
    "an image that the model rejects": Plan(actions=(Upload(content="cut"),)),
    "the server is down at first": Plan(outages=(Outage("server", 0.0, 5.0),)),
    "an unreadable message": Plan(actions=(Stray("Hello from SQS!"),)),
    "a rollout in shadow": Plan(actions=(Step(), *(Upload(f"incoming/a/{n}.jpg") for n in range(3)))),
    "an image that is given up": Plan(actions=(Upload(content="poison"), Upload("incoming/2.jpg")), max_receives=3),
}
State = dict[str, Any]


def end_of(plan: Plan) -> tuple[State, World]:
    """What is there when all is over, but for times, and for which of several equal JSON versions is named."""
    with world_of(plan) as world:
        world.run()
        check(world)
    but = ("result_key", "result_line", "result_range") if plan.lines else ()
    rows = {key: without(row, "classified_at", "result_version_id", *but) for key, row in world.rows.items.items()}
    documents = {key: without(json_of(world, row), "classified_at", "timings") for key, row in world.rows.items.items()}
    waiting = [message.body for message in world.queue.messages]
    dead = {message.body for message in world.dead_letters.messages}
    return {"rows": rows, "JSON": documents, "queue": waiting, "dead letters": dead}, world


def without(record: dict[str, Any], *but: str) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in but}


def json_of(world: World, row: dict[str, Any]) -> dict[str, Any]:
    """The JSON that the row names, in the version that it names."""
    data = world.s3.find(RESULTS, row["result_key"]["S"], row["result_version_id"]["S"]).data
    document: dict[str, Any] = json.loads(document_of(row, data or b""))
    return document


def with_faults(plan: Plan, *faults: Fault) -> Plan:
    return replace(plan, faults=faults)


def steps_of(plan: Plan) -> list[tuple[str, int]]:
    """Every effect of a run without faults: its name, and the how manieth of that name it is."""
    _, world = end_of(plan)
    return [(name, nth) for name, times in world.faults.effects.items() for nth in range(times)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("lines", [False, True], ids=["each", "lines"])
def test_a_fault_at_any_step_ends_as_if_there_had_been_none(way: str, kind: Kind, lines: bool) -> None:
    plan = replace(WAYS[way], lines=lines)
    undisturbed, _ = end_of(plan)
    for name, nth in steps_of(plan):
        disturbed, world = end_of(with_faults(plan, Fault(name, nth, kind)))
        assert world.faults.struck == {(name, kind): 1}
        assert disturbed == undisturbed, f"{kind} at {name}, {nth}"


@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_at_any_step_of_a_candidates_answer_ends_with_a_result_of_one_of_the_models(kind: Kind) -> None:
    """What is tried again is the current model's."""
    plan = Plan(actions=(Step(weight=100.0), Upload(), Upload("incoming/2.jpg")))
    undisturbed, _ = end_of(plan)
    assert {model for _, model in undisturbed["rows"]} == {"balls@2.0"}
    for name, nth in steps_of(plan):
        disturbed, _ = end_of(with_faults(plan, Fault(name, nth, kind)))
        assert {image for image, _ in disturbed["rows"]} == {image for image, _ in undisturbed["rows"]}
        assert (disturbed["queue"], disturbed["dead letters"]) == ([], set()), f"{kind} at {name}, {nth}"


def test_two_faults_one_in_the_first_try_and_one_in_the_second_end_as_if_there_had_been_none() -> None:
    plan = WAYS["one image"]
    undisturbed, _ = end_of(plan)
    kinds: list[Kind] = ["refused", "lost", "killed after"]
    names = {name for name, _ in steps_of(plan)}
    for (one, first), (other, second) in product(product(names, kinds), repeat=2):
        disturbed, _ = end_of(with_faults(plan, Fault(one, 0, first), Fault(other, 1, second)))
        assert disturbed == undisturbed, f"{first} at {one}, then {second} at {other}"


def test_the_steps_are_those_of_the_function() -> None:
    """Else the tests above could pass by testing nothing."""
    assert [name for name, _ in steps_of(WAYS["one image"])] == [
        "sqs.receive",
        "dynamodb.get_item",
        "s3.get_object",
        "s3.read_body",
        "s3.read_body",
        "server.predict",
        "s3.put_object",
        "dynamodb.put_item",
        "sqs.delete",
    ]
    taken = {name for plan in WAYS.values() for name, _ in steps_of(plan)}
    assert taken >= {"sqs.change_message_visibility", "sqs.send_message"}
