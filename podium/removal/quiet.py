"""A deployment at rest: the gate can open nothing, no image goes to the functions, no backfill enqueues any more."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from podium.connection import Connection
from podium.errors import ConsoleError
from podium.removal.stacks import Resource

OnNote = Callable[[str], None]
Sleep = Callable[[float], None]
TRIES = 30  # a mapping that is being changed takes seconds until it can be changed again
CAUSE = "podium destroy"


def bring_to_rest(
    connection: Connection, resources: Sequence[Resource], note: OnNote, *, sleep: Sleep = time.sleep
) -> None:
    """The gate first: it would open the mapping again. What is gone already is left out."""
    for it in resources:
        if it.logical_id == "GateFunction":
            _stop_gate(connection, it.physical_id)
    for it in resources:
        if it.kind == "AWS::Lambda::EventSourceMapping" and it.logical_id == "ClassifyFunctionImages":
            note("the queue is closed")
            _close(connection, it.physical_id, sleep)
    for it in resources:
        if it.kind == "AWS::StepFunctions::StateMachine":
            _stop_executions(connection, it.physical_id, note)


def _stop_gate(connection: Connection, function: str) -> None:
    functions = connection.lambda_client
    try:
        functions.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=0)
    except functions.exceptions.ResourceNotFoundException:
        return


def _close(connection: Connection, mapping: str, sleep: Sleep) -> None:
    functions = connection.lambda_client
    busy = (functions.exceptions.ResourceInUseException, functions.exceptions.ResourceConflictException)
    for _ in range(TRIES):
        try:
            functions.update_event_source_mapping(UUID=mapping, Enabled=False)
        except functions.exceptions.ResourceNotFoundException:
            return
        except busy:
            sleep(2)
        else:
            return
    raise ConsoleError(f"event source mapping {mapping} is being changed for a minute. Do it again: it goes on.")


def _stop_executions(connection: Connection, machine: str, note: OnNote) -> None:
    """AWS deletes a machine only when its executions have ended."""
    steps = connection.stepfunctions
    pages = steps.get_paginator("list_executions").paginate(stateMachineArn=machine, statusFilter="RUNNING")
    try:
        running = [it for page in pages for it in page["executions"]]
    except steps.exceptions.StateMachineDoesNotExist:
        return
    for execution in running:
        note(f"backfill {execution['name']} is stopped")
        try:
            steps.stop_execution(executionArn=execution["executionArn"], cause=CAUSE)
        except steps.exceptions.ExecutionDoesNotExist:
            continue  # it has ended meanwhile
