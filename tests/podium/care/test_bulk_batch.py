"""Array jobs in AWS Batch: submitted for what is left, followed to their end, and their failures named."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.stub import ANY, Stubber

from bulk.job import MOST_CHILDREN, Job, shard_of_child
from pipeline.contracts import ModelFacts
from pipeline.model_here.archive import ArchiveRef
from podium.care.bulk_batch import BulkStack, Look, bulk_stack, follow, look, reasons, running, submit
from podium.connection import Connection
from podium.errors import ConsoleError

STACK = BulkStack("arn:aws:batch:us-east-1:1:job-queue/q", "arn:aws:batch:us-east-1:1:job-definition/podium-bulk:1")
JOB = Job(
    name="job", bucket="archive", archive=ArchiveRef(bucket="r", key="models/m.mar", version_id="1", sha256="a"),
    model=ModelFacts(name="balls", version="1.0"), max_image_bytes=1, images=3, shards=3, part_images=1, table="t",
    created_at=datetime(2026, 11, 30, tzinfo=UTC),
)  # fmt: skip


@pytest.fixture
def batch(connection: Connection) -> Iterator[Stubber]:
    with Stubber(connection.batch) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def submission(size: int) -> dict[str, Any]:
    expected = {
        "jobName": "job", "jobQueue": STACK.queue, "jobDefinition": STACK.definition, "parameters": {"job": "job", "attempt": ANY},
    }  # fmt: skip
    return expected if size == 1 else expected | {"arrayProperties": {"size": size}}


@pytest.mark.parametrize(
    ("left", "arrays"), [(1, [1]), (2, [2]), (MOST_CHILDREN, [MOST_CHILDREN]), (MOST_CHILDREN + 1, [MOST_CHILDREN, 1])]
)
def test_what_is_left_becomes_arrays_that_aws_takes(
    connection: Connection, batch: Stubber, left: int, arrays: list[int]
) -> None:
    for number, size in enumerate(arrays):
        batch.add_response("submit_job", {"jobName": "job", "jobId": f"id-{number}"}, submission(size))
    assert submit(connection, STACK, JOB, range(left)) == [f"id-{number}" for number in range(len(arrays))]


def test_a_child_finds_the_shard_that_its_submission_gives_to_its_index(connection: Connection, batch: Stubber) -> None:
    batch.add_response("submit_job", {"jobName": "job", "jobId": "id"}, submission(2))
    submit(connection, STACK, JOB, [4, 7])
    [attempt] = connection.s3.list_objects_v2(Bucket="podium-results", Prefix="bulk/job/attempts/")["Contents"]
    name = attempt["Key"].removeprefix("bulk/job/attempts/").removesuffix(".json")
    assert [shard_of_child(connection.s3, "podium-results", JOB, name, index) for index in (0, 1)] == [4, 7]


def test_submissions_that_run_already_are_followed_not_doubled(connection: Connection, batch: Stubber) -> None:
    states = {"old": "SUCCEEDED", "failed": "FAILED", "waiting": "RUNNABLE", "here": "PENDING"}
    summaries = [{"jobId": job, "jobName": "job", "status": status} for job, status in states.items()]
    asked = {"jobQueue": STACK.queue, "filters": [{"name": "JOB_NAME", "values": ["job"]}]}
    batch.add_response("list_jobs", {"jobSummaryList": summaries}, asked)
    assert running(connection, STACK, JOB) == ["waiting", "here"]


def described(job: str, status: str, **facts: object) -> dict[str, object]:
    return {
        "jobId": job,
        "jobName": "job",
        "jobQueue": "q",
        "jobDefinition": "d",
        "startedAt": 0,
        "status": status,
        **facts,
    }


def test_children_of_all_submissions_are_counted_by_state(connection: Connection, batch: Stubber) -> None:
    array = {"size": 5, "statusSummary": {"SUCCEEDED": 3, "RUNNING": 2}}
    jobs = [described("a", "PENDING", arrayProperties=array), described("b", "FAILED")]
    batch.add_response("describe_jobs", {"jobs": jobs}, {"jobs": ["a", "b"]})
    now = look(connection, ["a", "b"])
    assert now.children == {"SUCCEEDED": 3, "RUNNING": 2, "FAILED": 1}
    assert not now.ended


def test_looking_ends_when_every_submission_has() -> None:
    looks = iter([Look(now, ended) for now, ended in (({"RUNNING": 1}, False), ({"RUNNING": 1}, False), ({"SUCCEEDED": 1}, True))])  # type: ignore[arg-type]  # fmt: skip
    shown: list[Look] = []
    assert follow(lambda: next(looks), shown.append, sleep=lambda _: None).ended
    assert len(shown) == 3


def test_why_children_failed_is_said_the_most_frequent_first(connection: Connection, batch: Stubber) -> None:
    failed = [
        {
            "jobId": "a:0",
            "jobName": "job",
            "statusReason": "Essential container in task exited",
            "container": {"exitCode": 2},
        },
        {
            "jobId": "a:1",
            "jobName": "job",
            "statusReason": "Essential container in task exited",
            "container": {"exitCode": 2},
        },
        {"jobId": "a:2", "jobName": "job", "statusReason": "Host EC2 (instance i-1) terminated."},
        {"jobId": "a:3", "jobName": "job", "container": {"exitCode": 137, "reason": "OutOfMemoryError"}},
    ]
    batch.add_response("list_jobs", {"jobSummaryList": failed}, {"arrayJobId": "a", "jobStatus": "FAILED"})
    batch.add_response("list_jobs", {"jobSummaryList": []}, {"arrayJobId": "b", "jobStatus": "FAILED"})
    alone = described("b", "FAILED", statusReason="CannotPullContainerError")
    batch.add_response("describe_jobs", {"jobs": [alone]}, {"jobs": ["b"]})
    said = reasons(connection, ["a", "b"])
    assert said[0] == "exit code 2 (2 children)"
    assert len(said) == 3


def test_without_the_bulk_stack_a_person_hears_what_to_do(connection: Connection) -> None:
    with Stubber(connection.cloudformation) as stub:
        stub.add_client_error("describe_stacks", "ValidationError")
        with pytest.raises(ConsoleError, match=r"no stack 'podium-bulk'.*--local N"):
            bulk_stack(connection)


@pytest.mark.parametrize("whole", [True, False])
def test_the_bulk_stack_s_outputs_name_queue_and_definition(connection: Connection, whole: bool) -> None:
    outputs = [
        {"OutputKey": "JobQueue", "OutputValue": STACK.queue},
        {"OutputKey": "JobDefinition", "OutputValue": STACK.definition},
    ]
    stack = {"StackName": "podium-bulk", "CreationTime": datetime.now(UTC), "StackStatus": "CREATE_FAILED"}
    with Stubber(connection.cloudformation) as stub:
        found = {"Stacks": [{**stack, "Outputs": outputs if whole else []}]}
        stub.add_response("describe_stacks", found, {"StackName": "podium-bulk"})
        if whole:
            assert bulk_stack(connection) == STACK
        else:
            with pytest.raises(ConsoleError, match="CREATE_FAILED"):
                bulk_stack(connection)
