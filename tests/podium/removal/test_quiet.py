"""Before a stack is deleted, nothing of it works any more: the gate first, which would open the queue again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import boto3
import pytest
from botocore.stub import Stubber

from podium.connection import Connection
from podium.errors import ConsoleError
from podium.removal.quiet import TRIES, bring_to_rest
from podium.removal.stacks import Resource
from tests.podium.removal.conftest import nothing

UUID = "f4b167f9-3a38-43d7-a3f6-24741f67ffdf"
GATE = Resource("GateFunction", "AWS::Lambda::Function", "photos-gate")
MAPPING = Resource("ClassifyFunctionImages", "AWS::Lambda::EventSourceMapping", UUID)
STREAM = Resource("FinishFunctionRows", "AWS::Lambda::EventSourceMapping", "other")
MACHINE = Resource(
    "BackfillMachine",
    "AWS::StepFunctions::StateMachine",
    "arn:aws:states:us-east-1:123456789012:stateMachine:photos-backfill",
)
OFF = {"UUID": UUID, "Enabled": False}


class Stubs:
    """Lambda and Step Functions as the responses of a test say."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        clients = (
            boto3.client("lambda", region_name="us-east-1"),
            boto3.client("stepfunctions", region_name="us-east-1"),
        )
        cast(Any, connection).lambda_client, cast(Any, connection).stepfunctions = clients
        self.functions, self.steps = map(Stubber, clients)

    def rest(self, *resources: Resource) -> None:
        with self.functions, self.steps:
            bring_to_rest(self._connection, resources, nothing, sleep=nothing)
        self.functions.assert_no_pending_responses()
        self.steps.assert_no_pending_responses()


@pytest.fixture
def aws(photos: Connection) -> Stubs:
    return Stubs(photos)


def test_the_gate_may_not_run_then_the_queue_is_closed_then_running_backfills_are_stopped(aws: Stubs) -> None:
    running = {
        "executionArn": "arn:aws:states:us-east-1:123456789012:execution:photos-backfill:job", "stateMachineArn": MACHINE.physical_id,
        "name": "job", "status": "RUNNING", "startDate": "2026-01-01",
    }  # fmt: skip
    aws.functions.add_response(
        "put_function_concurrency", {}, {"FunctionName": "photos-gate", "ReservedConcurrentExecutions": 0}
    )
    aws.functions.add_response("update_event_source_mapping", {}, OFF)
    aws.steps.add_response(
        "list_executions", {"executions": [running]},
        {"stateMachineArn": MACHINE.physical_id, "statusFilter": "RUNNING"},
    )  # fmt: skip
    aws.steps.add_response(
        "stop_execution",
        {"stopDate": "2026-01-01"},
        {"executionArn": running["executionArn"], "cause": "podium destroy"},
    )
    aws.rest(MACHINE, STREAM, MAPPING, GATE)


def test_a_mapping_that_is_being_changed_is_closed_when_that_is_over(aws: Stubs) -> None:
    aws.functions.add_client_error("update_event_source_mapping", "ResourceInUseException")
    aws.functions.add_client_error("update_event_source_mapping", "ResourceConflictException")
    aws.functions.add_response("update_event_source_mapping", {}, OFF)
    aws.rest(MAPPING)


def test_one_that_is_changed_for_a_minute_ends_the_command(aws: Stubs) -> None:
    for _ in range(TRIES):
        aws.functions.add_client_error("update_event_source_mapping", "ResourceInUseException")
    with pytest.raises(ConsoleError, match=r"event source mapping f4b167f9-.* is being changed"):
        aws.rest(MAPPING)


@pytest.mark.parametrize(
    ("resource", "fail"),
    [
        (GATE, lambda aws: aws.functions.add_client_error("put_function_concurrency", "ResourceNotFoundException")),
        (
            MAPPING,
            lambda aws: aws.functions.add_client_error("update_event_source_mapping", "ResourceNotFoundException"),
        ),
        (MACHINE, lambda aws: aws.steps.add_client_error("list_executions", "StateMachineDoesNotExist")),
    ],
)
def test_what_a_first_try_has_deleted_is_left_out(
    aws: Stubs, resource: Resource, fail: Callable[[Stubs], None]
) -> None:
    fail(aws)
    aws.rest(resource)


def test_a_backfill_that_ends_meanwhile_is_no_error(aws: Stubs) -> None:
    ended = {
        "executionArn": "arn:aws:states:us-east-1:123456789012:execution:photos-backfill:job", "stateMachineArn": MACHINE.physical_id,
        "name": "job", "status": "RUNNING", "startDate": "2026-01-01",
    }  # fmt: skip
    aws.steps.add_response("list_executions", {"executions": [ended]})
    aws.steps.add_client_error("stop_execution", "ExecutionDoesNotExist")
    aws.rest(MACHINE)
