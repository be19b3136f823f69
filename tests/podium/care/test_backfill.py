"""A backfill: its name, its start, its progress, its report."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import chain, repeat
from typing import Any, cast

import pytest
from botocore.stub import Stubber

from pipeline.contracts import Backfill
from podium.care.backfill import (
    LOOK_EVERY_S,
    MISSING_NAMED,
    Execution,
    check_job,
    check_whole,
    follow,
    look,
    read_missing,
    read_report,
    start,
)
from podium.care.source import Source
from podium.connection import Connection
from podium.errors import ConsoleError
from podium.project import ROOT
from podium.shown.care import enqueueing_note

JOB = "backfill-20261121-120000"
PHOTOS = Source(bucket="my-photos", prefix="photos/")


@pytest.mark.parametrize("job", ["", "a/b", "..", "two words", "x" * 81])
def test_a_name_that_aws_or_a_key_cannot_have_is_refused(connection: Connection, job: str) -> None:
    with pytest.raises(ConsoleError, match="cannot name a backfill"):
        check_job(connection, job)


def test_a_name_that_a_batch_has_already_is_refused(connection: Connection) -> None:
    check_job(connection, JOB)
    connection.s3.put_object(Bucket="podium-results", Key=f"batches/{JOB}/manifest/a.json", Body=b"{}")
    with pytest.raises(ConsoleError, match="there is a batch"):
        check_job(connection, JOB)


@pytest.fixture
def machine(connection: Connection) -> Connection:
    """The stack's state machine; moto starts it and does nothing then."""
    definition = (ROOT / "functions" / "backfill.asl.json").read_text()
    for name in ("BackfillFunctionArn", "ResultsBucket"):
        definition = definition.replace(f"${{{name}}}", "arn:aws:lambda:us-east-1:123456789012:function:backfill")
    connection.stepfunctions.create_state_machine(
        name="podium-backfill", definition=definition, roleArn="arn:aws:iam::123456789012:role/backfill"
    )
    return connection


def request_of(connection: Connection, execution: str) -> dict[str, Any]:
    request: dict[str, Any] = json.loads(connection.stepfunctions.describe_execution(executionArn=execution)["input"])
    return request


def test_the_machine_gets_bucket_and_prefix(machine: Connection) -> None:
    execution = start(machine, JOB, PHOTOS, None)
    assert execution.endswith(f":podium-backfill:{JOB}")
    assert request_of(machine, execution) == {"job": JOB, "bucket": "my-photos", "prefix": "photos/"}


def test_or_it_gets_the_place_of_the_manifest(machine: Connection) -> None:
    request = request_of(machine, start(machine, JOB, PHOTOS, "batches/j/input.jsonl"))
    assert request["manifest"] == {"bucket": "podium-results", "key": "batches/j/input.jsonl"}
    assert "prefix" not in request


def test_a_name_that_ran_before_is_refused(machine: Connection) -> None:
    execution = start(machine, JOB, PHOTOS, None)
    machine.stepfunctions.stop_execution(executionArn=execution)
    with pytest.raises(ConsoleError, match="ran already"):
        start(machine, JOB, Source(bucket="my-photos", prefix=""), None)


def test_a_machine_that_is_not_there_is_a_sentence(connection: Connection) -> None:
    with pytest.raises(ConsoleError, match="was not started"):
        start(connection, JOB, PHOTOS, None)


COUNTS = dict.fromkeys(
    ("pending", "running", "succeeded", "failed", "timedOut", "aborted", "total", "resultsWritten"), 0
)


def test_a_look_counts_objects_and_knows_the_cause(connection: Connection) -> None:
    execution = "arn:aws:states:us-east-1:123456789012:execution:podium-backfill:job"
    map_run = "arn:aws:states:us-east-1:123456789012:mapRun:podium-backfill/map:run"
    began = datetime(2026, 1, 1, tzinfo=UTC)
    ran = {"executionArn": execution, "stateMachineArn": "arn:machine", "startDate": began}
    counts = {**COUNTS, "succeeded": 5, "failed": 1, "aborted": 2, "total": 10}
    with Stubber(connection.stepfunctions) as stub:
        stub.add_response("describe_execution", {**ran, "status": "FAILED", "cause": "The backfill stopped."})
        stub.add_response("list_map_runs", {"mapRuns": [{**ran, "mapRunArn": map_run}]})
        stub.add_response(
            "describe_map_run",
            {
                "mapRunArn": map_run, "executionArn": execution, "status": "FAILED", "startDate": began,
                "maxConcurrency": 8, "toleratedFailurePercentage": 5, "toleratedFailureCount": 0,
                "itemCounts": counts, "executionCounts": counts,
            },
        )  # fmt: skip
        run = look(connection, execution)
    assert run == Execution(status="FAILED", done=5, failed=3, total=10, cause="The backfill stopped.")


@pytest.mark.parametrize(
    ("state", "pause"),
    [
        ({"waiting": 433_500, "pauses_above": 432_000}, "paused: 433,500 messages wait on the queue; it goes on when 432,000 or fewer do"),
        ({"waiting": 432_000, "pauses_above": 432_000}, ""),
        ({"waiting": 433_500, "pauses_above": None}, ""),
        ({"waiting": 433_500, "pauses_above": 432_000, "status": "SUCCEEDED"}, ""),
    ],
)  # fmt: skip
def test_a_machine_that_pauses_says_why(state: dict[str, Any], pause: str) -> None:
    now = Execution.model_validate({"status": "RUNNING", **state})
    assert now.pause == pause
    assert enqueueing_note(now) == pause
    assert enqueueing_note(now.model_copy(update={"failed": 2})) == "; ".join(["2 failed", *([pause] if pause else [])])


def test_a_look_counts_what_waits_and_what_is_being_worked_on(connection: Connection) -> None:
    cast(Any, connection).facts = connection.facts.model_copy(update={"backfill_pauses_above": 1})
    for n in range(3):
        connection.sqs.send_message(QueueUrl=connection.facts.queue_url, MessageBody=f"{n}")
    connection.sqs.receive_message(QueueUrl=connection.facts.queue_url)
    execution = "arn:aws:states:us-east-1:123456789012:execution:podium-backfill:job"
    ran = {"executionArn": execution, "stateMachineArn": "arn:machine", "startDate": datetime(2026, 1, 1, tzinfo=UTC)}
    with Stubber(connection.stepfunctions) as stub:
        stub.add_response("describe_execution", {**ran, "status": "RUNNING"})
        stub.add_response("list_map_runs", {"mapRuns": []})
        now = look(connection, execution)
    assert (now.waiting, now.pauses_above) == (3, 1)
    assert now.pause


def looks(*statuses: str) -> Callable[[], Execution]:
    """A machine that has these states, one after the other."""
    states = chain(statuses, repeat("LOOKED AT AFTER ITS END"))
    return lambda: Execution(status=next(states))


def test_it_is_followed_until_its_end() -> None:
    statuses: list[str] = []
    slept: list[float] = []
    last = follow(looks("RUNNING", "RUNNING", "SUCCEEDED"), lambda now: statuses.append(now.status), sleep=slept.append)
    assert (last.status, statuses) == ("SUCCEEDED", ["RUNNING", "RUNNING", "SUCCEEDED"])
    assert slept == [LOOK_EVERY_S] * 2


@pytest.mark.parametrize("status", ["FAILED", "TIMED_OUT", "ABORTED"])
def test_a_machine_that_did_not_come_to_its_end_is_an_error_with_the_cause(connection: Connection, status: str) -> None:
    assert Execution(status=status).ended
    with pytest.raises(ConsoleError, match=f"has {status.lower()}. The backfill stopped"):
        check_whole(connection, JOB, Execution(status=status, cause="The backfill stopped."))


def test_objects_that_failed_though_the_machine_went_on_are_an_error(connection: Connection) -> None:
    check_whole(connection, JOB, Execution(status="SUCCEEDED", done=1000, total=1000))
    with pytest.raises(ConsoleError, match="7 of 1000 objects could not be put on the queue"):
        check_whole(connection, JOB, Execution(status="SUCCEEDED", done=993, failed=7, total=1000))


def report(**changes: object) -> Backfill:
    ordinary = {
        "job": JOB,
        "bucket": "my-photos",
        "prefix": "",
        "parts": 1,
        "closed_at": datetime(2026, 1, 1, tzinfo=UTC),
    }
    return Backfill.model_validate(ordinary | changes)


def test_the_first_images_that_are_missing_are_read_of_the_parts_that_miss_any(connection: Connection) -> None:
    assert read_missing(connection, JOB) == []
    names = [f"s3://my-photos/photos/{n}\x01.jpg" for n in range(MISSING_NAMED + 4)]
    tallies = {
        "a": ("2-2-0-0-0", []),
        "b": ("3-0-0-0-3", names[:3]),
        "b-again": ("3-0-0-0-3", names[:3]),
        "c": (f"{len(names)}-0-0-0-{len(names)}", names),
    }
    for part, (figures, missing) in tallies.items():
        key = f"batches/{JOB}/backfill/{part}.{figures}.json"
        connection.s3.put_object(
            Bucket="podium-results", Key=key, Body=json.dumps({"missing_images": missing}).encode()
        )
    assert read_missing(connection, JOB) == names[:MISSING_NAMED]


def test_the_report_of_a_job_is_read(connection: Connection) -> None:
    assert read_report(connection, JOB) is None
    written = report(listed=3, enqueued=2, already=1)
    connection.s3.put_object(
        Bucket="podium-results", Key=f"batches/{JOB}/backfill.json", Body=written.model_dump_json().encode()
    )
    assert read_report(connection, JOB) == written
