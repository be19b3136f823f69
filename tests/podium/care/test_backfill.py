"""An existing bucket, from a person's side: what may be named, what is started, what is told of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import pytest
from botocore.stub import Stubber
from hypothesis import given
from hypothesis import strategies as st

from pipeline.contracts import Backfill
from podium.care import backfill as backfilling
from podium.care.backfill import Run, Source, check_job, check_whole, follow, look, report_of, source_at, start
from podium.care.manifest_files import keys_in, upload_manifest
from podium.connection import Connection
from podium.errors import EXIT_USAGE, ConsoleError
from podium.project import ROOT
from podium.shown import care as care_told
from tests.podium.conftest import INPUT

JOB = "backfill-20261121-120000"
PHOTOS = Source(bucket="my-photos", prefix="photos/")


@contextmanager
def stack_that_may_read(connection: Connection, bucket: str) -> Iterator[None]:
    with Stubber(connection.cloudformation) as stub:
        stack = {
            "StackName": "podium",
            "CreationTime": datetime(2026, 1, 1, tzinfo=UTC),
            "StackStatus": "CREATE_COMPLETE",
        }
        parameters = [{"ParameterKey": "ExistingBucket", "ParameterValue": bucket}]
        stub.add_response("describe_stacks", {"Stacks": [{**stack, "Parameters": parameters}]}, {"StackName": "podium"})
        yield


def test_without_a_prefix_the_whole_of_the_input_buckets_incoming_is_meant(connection: Connection) -> None:
    for location in (f"s3://{INPUT}", f"s3://{INPUT}/", f"s3://{INPUT}/incoming/"):
        assert source_at(connection, location) == Source(bucket=INPUT, prefix="incoming/")


def test_a_folder_of_the_input_bucket_is_meant_as_it_is(connection: Connection) -> None:
    assert source_at(connection, f"s3://{INPUT}/incoming/été & 100%/").prefix == "incoming/été & 100%/"


@pytest.mark.parametrize("prefix", ["results/", "incoming", "Incoming/monday"])
def test_outside_incoming_nothing_of_the_input_bucket_is_classified(connection: Connection, prefix: str) -> None:
    with pytest.raises(ConsoleError, match="does not lie there") as refused:
        source_at(connection, f"s3://{INPUT}/{prefix}")
    assert refused.value.exit_code == EXIT_USAGE


@pytest.mark.parametrize("location", ["my-photos/photos", "s3://", "https://my-photos.s3.amazonaws.com/"])
def test_what_is_no_place_in_s3_is_refused(connection: Connection, location: str) -> None:
    with pytest.raises(ConsoleError, match="no place in S3"):
        source_at(connection, location)


def test_the_bucket_that_the_stack_may_read_is_meant_with_any_prefix(connection: Connection) -> None:
    with stack_that_may_read(connection, "my-photos"):
        assert source_at(connection, "s3://my-photos") == Source(bucket="my-photos", prefix="")


@pytest.mark.parametrize("allowed", ["", "my-photos"])
def test_another_bucket_is_refused_with_the_command_that_allows_it(connection: Connection, allowed: str) -> None:
    with (
        stack_that_may_read(connection, allowed),
        pytest.raises(ConsoleError, match="deploy --stack podium --parameter ExistingBucket=other`"),
    ):
        source_at(connection, "s3://other/photos/")


@pytest.mark.parametrize("job", ["", "a/b", "..", "two words", "x" * 81])
def test_a_name_that_aws_or_a_key_cannot_have_is_refused(connection: Connection, job: str) -> None:
    with pytest.raises(ConsoleError, match="cannot name a backfill"):
        check_job(connection, job)


def test_a_name_that_a_batch_has_already_is_refused(connection: Connection) -> None:
    check_job(connection, JOB)
    connection.s3.put_object(Bucket="podium-results", Key=f"batches/{JOB}/manifest/a.json", Body=b"{}")
    with pytest.raises(ConsoleError, match="there is a batch"):
        check_job(connection, JOB)


@pytest.mark.parametrize(
    "lines",
    [
        "photos/1.jpg\nphotos/été & 100%.jpg\r\n\nphotos/1.jpg\n",
        "s3://my-photos/photos/1.jpg\ns3://my-photos/photos/été & 100%.jpg",
        '{"Key": "photos/1.jpg"}\n{"key": "photos/\\u00e9t\\u00e9 & 100%.jpg", "Size": 7}\n',
    ],
)
def test_a_manifest_is_uploaded_as_the_machine_reads_it_each_key_once(
    connection: Connection, tmp_path: Path, lines: str
) -> None:
    file = tmp_path / "keys.txt"
    file.write_text(lines, encoding="utf-8")
    assert upload_manifest(connection, file, PHOTOS, JOB) == (f"batches/{JOB}/input.jsonl", 2)
    uploaded = connection.s3.get_object(Bucket="podium-results", Key=f"batches/{JOB}/input.jsonl")["Body"].read()
    keys = ["photos/1.jpg", "photos/été & 100%.jpg"]
    assert [json.loads(line) for line in uploaded.splitlines()] == [{"Key": key} for key in keys]


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ("photos/1.jpg\nother/2.jpg", "line 2 of the manifest, 'other/2.jpg', names no key"),
        ("s3://other/photos/1.jpg", "names no key under s3://my-photos/photos/"),
        ('{"Key": "photos/1.jpg"}\nphotos/2.jpg', "line 2"),
        ('{"Key": 7}', "line 1"),
        ("\n \n", "names no image"),
        ("photos/\udce9.jpg", "cannot be read"),
    ],
)
def test_a_manifest_that_cannot_be_is_refused_before_anything_is_uploaded(
    connection: Connection, tmp_path: Path, lines: str, sentence: str
) -> None:
    file = tmp_path / "keys.txt"
    file.write_bytes(lines.encode("utf-8", "surrogateescape"))
    with pytest.raises(ConsoleError, match=sentence):
        upload_manifest(connection, file, PHOTOS, JOB)
    assert connection.s3.list_objects_v2(Bucket="podium-results")["KeyCount"] == 0


def test_a_manifest_that_is_not_there_is_named(connection: Connection, tmp_path: Path) -> None:
    with pytest.raises(ConsoleError, match=r"keys\.txt cannot be read"):
        upload_manifest(connection, tmp_path / "keys.txt", PHOTOS, JOB)


@given(st.lists(st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1)))
def test_keys_of_any_letters_come_through_json_and_keep_their_order(names: list[str]) -> None:
    lines = [json.dumps({"Key": f"photos/{name}"}) for name in names]
    assert list(keys_in(lines, PHOTOS)) == list(dict.fromkeys(f"photos/{name}" for name in names))


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


def asked_of(connection: Connection, execution: str) -> dict[str, Any]:
    asked: dict[str, Any] = json.loads(connection.stepfunctions.describe_execution(executionArn=execution)["input"])
    return asked


def test_the_machine_is_told_what_to_list(machine: Connection) -> None:
    execution = start(machine, JOB, PHOTOS, None)
    assert execution.endswith(f":podium-backfill:{JOB}")
    assert asked_of(machine, execution) == {"job": JOB, "bucket": "my-photos", "prefix": "photos/"}


def test_or_it_is_told_where_the_manifest_lies(machine: Connection) -> None:
    asked = asked_of(machine, start(machine, JOB, PHOTOS, "batches/j/input.jsonl"))
    assert asked["manifest"] == {"bucket": "podium-results", "key": "batches/j/input.jsonl"}
    assert "prefix" not in asked


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
    assert run == Run(status="FAILED", done=5, failed=3, total=10, cause="The backfill stopped.")


def looks(*statuses: str) -> Callable[[], Run]:
    """A machine that has these states, one after the other."""
    states = chain(statuses, repeat("LOOKED AT AFTER ITS END"))
    return lambda: Run(status=next(states))


def test_it_is_followed_until_its_end() -> None:
    told: list[str] = []
    slept: list[float] = []
    last = follow(looks("RUNNING", "RUNNING", "SUCCEEDED"), lambda run: told.append(run.status), sleep=slept.append)
    assert (last.status, told) == ("SUCCEEDED", ["RUNNING", "RUNNING", "SUCCEEDED"])
    assert slept == [backfilling.LOOK_EVERY_S] * 2


@pytest.mark.parametrize("status", ["FAILED", "TIMED_OUT", "ABORTED"])
def test_a_machine_that_did_not_come_to_its_end_is_an_error_with_the_cause(connection: Connection, status: str) -> None:
    assert Run(status=status).ended
    with pytest.raises(ConsoleError, match=f"has {status.lower()}. The backfill stopped"):
        check_whole(connection, JOB, Run(status=status, cause="The backfill stopped."))


def test_objects_that_failed_though_the_machine_went_on_are_an_error(connection: Connection) -> None:
    check_whole(connection, JOB, Run(status="SUCCEEDED", done=1000, total=1000))
    with pytest.raises(ConsoleError, match="7 of 1000 objects could not be put on the queue"):
        check_whole(connection, JOB, Run(status="SUCCEEDED", done=993, failed=7, total=1000))


def report(**changes: object) -> Backfill:
    ordinary = {
        "job": JOB,
        "bucket": "my-photos",
        "prefix": "",
        "parts": 1,
        "closed_at": datetime(2026, 1, 1, tzinfo=UTC),
    }
    return Backfill.model_validate(ordinary | changes)


def test_what_the_job_wrote_down_is_read(connection: Connection) -> None:
    assert report_of(connection, JOB) is None
    written = report(listed=3, enqueued=2, already=1)
    connection.s3.put_object(
        Bucket="podium-results", Key=f"batches/{JOB}/backfill.json", Body=written.model_dump_json().encode()
    )
    assert report_of(connection, JOB) == written


def test_what_was_found_is_told_in_a_sentence() -> None:
    assert care_told.found(report(enqueued=20)) == "20 images are on the queue."
    assert care_told.found(report(enqueued=20, already=40, markers=1)) == (
        "20 images are on the queue; 40 already have results, 1 are markers of folders."
    )
    assert care_told.found(report(already=40)) == "nothing to do: 40 already have results."
    assert care_told.found(report()) == "nothing to do: there is no image."
