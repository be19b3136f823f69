"""What the state machine of `podium backfill` couples: itself, the function that it calls, the template that deploys it."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.backfill.handler import FIRST_WAIT_S, LONGEST_WAIT_S, Close, Item, Paused
from pipeline.contracts import BATCHES_PREFIX

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # cfn-lint's own imports warn
    from cfnlint.api import lint
    from cfnlint.decode import decode

ROOT = Path(__file__).parents[1]
Json = dict[str, Any]
TEXT = (ROOT / "functions" / "backfill.asl.json").read_text(encoding="utf-8")
MACHINE: Json = json.loads(TEXT)
MAPS = ["Listed images", "Named images"]
PAYLOAD_LIMIT_BYTES = 262_144  # Step Functions' limit on a child's input
MOST_EVENTS = 25_000  # in the history of an execution
EVENTS_OF_A_PAUSE = 9  # a task has five, a choice and a wait two each


@pytest.fixture(scope="module")
def resources() -> Json:
    decoded, problems = decode(str(ROOT / "template.yaml"))
    assert not problems
    return {name: resource.get("Properties", {}) for name, resource in decoded["Resources"].items()}


def ways_on(state: Json) -> Iterator[str]:
    """The states that may follow."""
    steps = [state, *state.get("Choices", []), *state.get("Catch", [])]
    yield from (step["Next"] for step in steps if "Next" in step)
    if "Default" in state:
        yield state["Default"]


def tasks(states: Json) -> Iterator[Json]:
    """Every task, those inside of maps too."""
    for state in states.values():
        if state["Type"] == "Task":
            yield state
        yield from tasks(state.get("ItemProcessor", {}).get("States", {}))


def test_every_state_is_reached_and_every_way_leads_to_one() -> None:
    reached, ahead = set(), [MACHINE["StartAt"]]
    while ahead:
        name = ahead.pop()
        if name not in reached:
            reached.add(name)
            ahead += ways_on(MACHINE["States"][name])
    assert reached == set(MACHINE["States"])


def test_it_is_a_machine_that_aws_would_take() -> None:
    """By cfn-lint's schema of the language."""
    properties = {
        "RoleArn": "arn:aws:iam::123456789012:role/backfill",
        "Definition": MACHINE,
        "DefinitionSubstitutions": {"BackfillFunctionArn": "arn:function", "ResultsBucket": "results"},
    }
    resource = {"Type": "AWS::StepFunctions::StateMachine", "Properties": properties}
    assert lint(json.dumps({"AWSTemplateFormatVersion": "2010-09-09", "Resources": {"Machine": resource}})) == []


def test_the_template_fills_every_gap_and_no_other(resources: Json) -> None:
    gaps = set(re.findall(r"\$\{(\w+)\}", TEXT))
    assert gaps == set(resources["BackfillMachine"]["DefinitionSubstitutions"])


def test_every_task_is_the_backfill_function_and_is_tried_again() -> None:
    found = list(tasks(MACHINE["States"]))
    assert len(found) == 3
    for task in found:
        assert task["Resource"] == "${BackfillFunctionArn}"
        [retry] = task["Retry"]
        assert retry["ErrorEquals"] == ["States.ALL"]
        assert retry["MaxAttempts"] >= 3


@pytest.mark.parametrize("name", MAPS)
def test_the_list_never_passes_through_one_process(name: str) -> None:
    state = MACHINE["States"][name]
    assert state["ItemProcessor"]["ProcessorConfig"]["Mode"] == "DISTRIBUTED"
    assert 1 <= state["MaxConcurrency"] <= 100
    assert state["ItemBatcher"]["MaxItemsPerBatch"] > 1
    assert state["ItemBatcher"]["MaxInputBytesPerBatch"] < PAYLOAD_LIMIT_BYTES


@pytest.mark.parametrize("name", MAPS)
def test_some_parts_may_fail_and_however_it_ends_it_is_closed(name: str) -> None:
    state = MACHINE["States"][name]
    assert 0 < state["ToleratedFailurePercentage"] <= 10
    assert state["Next"] == "Close"
    assert state["Catch"] == [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "Close"}]


@pytest.mark.parametrize("name", MAPS)
def test_the_results_of_parts_do_not_pass_through_the_machine(name: str) -> None:
    """With many parts they would be more than a state may hand on."""
    state = MACHINE["States"][name]
    assert state["ResultPath"] is None
    assert state["ResultWriter"]["Parameters"]["Bucket"] == "${ResultsBucket}"
    assert f"'{BATCHES_PREFIX}{{}}/" in state["ResultWriter"]["Parameters"]["Prefix.$"]


@pytest.mark.parametrize("name", MAPS)
def test_an_item_is_what_the_function_reads(name: str) -> None:
    selected = {field.removesuffix(".$") for field in MACHINE["States"][name]["ItemSelector"]}
    assert selected == set(Item.model_fields)


@pytest.mark.parametrize("name", MAPS)
def test_a_part_waits_while_the_queue_is_deep_and_comes_again_with_what_it_is(name: str) -> None:
    states = MACHINE["States"][name]["ItemProcessor"]["States"]
    [task] = [(key, state) for key, state in states.items() if state["Type"] == "Task"]
    [choice] = [(key, state) for key, state in states.items() if state["Type"] == "Choice"]
    [wait] = [(key, state) for key, state in states.items() if state["Type"] == "Wait"]
    [end] = [(key, state) for key, state in states.items() if state.get("End")]
    assert (task[1]["ResultPath"], task[1]["Next"]) == ("$.outcome", choice[0]), "the part stays beside the response"
    assert choice[1]["Choices"] == [{"Variable": "$.outcome.paused", "IsPresent": True, "Next": wait[0]}]
    assert choice[1]["Default"] == end[0]
    assert wait[1]["Next"] == task[0]
    assert wait[1]["SecondsPath"] == "$.outcome.paused.wait_s"
    assert "wait_s" in Paused.model_fields
    assert end[1]["OutputPath"] == "$.outcome", "and is not what 500 items of a report are made of"


def test_a_drought_as_long_as_the_queue_keeps_a_message_fits_in_the_history_of_a_part(resources: Json) -> None:
    """Of a STANDARD execution; an EXPRESS one ends after five minutes."""
    for name in MAPS:
        assert MACHINE["States"][name]["ItemProcessor"]["ProcessorConfig"]["ExecutionType"] == "STANDARD"
    kept_s = resources["ImagesQueue"]["MessageRetentionPeriod"]
    assert kept_s / LONGEST_WAIT_S * EVENTS_OF_A_PAUSE < MOST_EVENTS / 2
    assert FIRST_WAIT_S < LONGEST_WAIT_S


def test_the_end_gets_the_whole_input_and_an_error_ends_the_machine_as_one() -> None:
    states = MACHINE["States"]
    assert states["Close"]["Parameters"] == {"close.$": "$"}
    assert "error" in Close.model_fields
    [failed] = states["Outcome"]["Choices"]
    assert (failed["Variable"], failed["Next"]) == ("$.error", "Stopped")
    assert (states["Stopped"]["Type"], states["Done"]["Type"]) == ("Fail", "Succeed")
    assert "$.error.Cause" in states["Stopped"]["CausePath"]
