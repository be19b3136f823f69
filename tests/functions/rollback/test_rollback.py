"""An alarm ends the rollout that it is about, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from pipeline.rollback.handler import Response, lambda_handler, open_rollouts, respond
from pipeline.rollout.ledger import Changed, Rollouts
from pipeline.rollout.state import Rollout
from pipeline.settings import load_settings
from tests.functions.conftest import LEDGER, Aws
from tests.functions.factories import NOON, event
from tests.functions.invoking import Context
from tests.functions.rollout.test_state import rollout

ALARM = event("rollback-alarm")
RAISED_AT = NOON - timedelta(minutes=1)  # as the event says
BEFORE = NOON - timedelta(hours=1)


@pytest.fixture
def ledger(aws: Aws) -> Rollouts:
    return Rollouts(aws.dynamodb, LEDGER)


def alarm(**changes: object) -> dict[str, Any]:
    """The event with another message of the alarm."""
    [record] = ALARM["Records"]
    message = json.loads(record["Sns"]["Message"]) | changes
    return {"Records": [record | {"Sns": record["Sns"] | {"Message": json.dumps(message)}}]}


def begun(ledger: Rollouts, **changes: object) -> Rollout:
    started = rollout(**{"started_at": BEFORE, "stage_at": BEFORE} | changes)
    ledger.write(started, ledger.read())
    return started


@pytest.mark.parametrize("stage", [{"stage": "shadow"}, {"stage": "weights", "weight": 25}])
def test_an_alarm_rolls_the_live_rollout_back_and_says_which_alarm_and_why(
    ledger: Rollouts, stage: dict[str, object]
) -> None:
    begun(ledger, **stage)
    assert respond(ALARM, ledger, NOON)["rolled_back"]
    now = ledger.read()
    assert now is not None
    assert (now.stage, now.ended_at) == ("rolled_back", NOON)
    assert now.ended_by == "podium-RolloutDisagreementAlarm-1H2J3K4L5M6N"
    assert now.reason is not None
    assert "disagrees with the current model" in now.reason


def test_an_alarm_that_was_raised_before_the_rollout_began_is_about_another(ledger: Rollouts) -> None:
    begun(ledger, started_at=NOON, stage_at=NOON)
    assert not respond(ALARM, ledger, NOON)["rolled_back"]
    assert ledger.read() == rollout(started_at=NOON, stage_at=NOON)


@pytest.mark.parametrize("stage", ["promoted", "rolled_back"])
def test_what_has_ended_stays_as_it_ended(ledger: Rollouts, stage: str) -> None:
    ended = begun(ledger, stage=stage, ended_at=BEFORE, ended_by="person")
    assert not respond(ALARM, ledger, NOON)["rolled_back"]
    assert ledger.read() == ended


def test_without_a_rollout_an_alarm_changes_nothing(ledger: Rollouts) -> None:
    assert respond(ALARM, ledger, NOON) == {
        "rolled_back": False,
        "alarms": ["podium-RolloutDisagreementAlarm-1H2J3K4L5M6N"],
    }
    assert ledger.read() is None


def test_an_alarm_that_is_over_is_no_reason(ledger: Rollouts) -> None:
    live = begun(ledger)
    assert respond(alarm(NewStateValue="OK"), ledger, NOON) == {"rolled_back": False, "alarms": []}
    assert ledger.read() == live


@pytest.mark.parametrize("odd", [{}, {"Records": [{"Sns": {"Message": "Hello!"}}]}, {"Records": [{}]}])
def test_what_is_no_alarm_is_no_reason(ledger: Rollouts, odd: dict[str, Any]) -> None:
    live = begun(ledger)
    assert not respond(odd, ledger, NOON)["rolled_back"]
    assert ledger.read() == live


def test_a_step_that_was_decided_before_the_rollback_does_not_bring_the_candidate_back(ledger: Rollouts) -> None:
    read_before = begun(ledger)
    respond(ALARM, ledger, NOON)
    with pytest.raises(Changed):
        ledger.write(read_before.model_copy(update={"stage": "weights", "weight": 5, "stage_at": NOON}), read_before)
    now = ledger.read()
    assert now is not None
    assert now.stage == "rolled_back"


def test_two_people_do_not_take_the_same_step_twice(ledger: Rollouts) -> None:
    before = begun(ledger)
    ledger.write(before.model_copy(update={"stage": "weights", "weight": 5, "stage_at": NOON}), before)
    with pytest.raises(Changed):
        ledger.write(before.model_copy(update={"stage": "weights", "weight": 25, "stage_at": NOON}), before)


@pytest.fixture
def deployed(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("LEDGER_NAME", LEDGER)
    load_settings.cache_clear()
    open_rollouts.cache_clear()
    yield
    load_settings.cache_clear()
    open_rollouts.cache_clear()


def test_the_function_takes_the_event_of_cloudwatch_as_sns_brings_it(ledger: Rollouts, deployed: None) -> None:
    begun(ledger)
    response: Response = lambda_handler(ALARM, cast("Any", Context(lambda: 30_000)))
    assert response["rolled_back"]


def test_a_ledger_that_refuses_is_an_error_and_sns_delivers_again(aws: Aws) -> None:
    with pytest.raises(ClientError):
        respond(ALARM, Rollouts(aws.dynamodb, "no-such-table"), NOON)
