"""A bulk job is begun once, from a list or an inventory, and gone on with by the same command."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from zipfile import ZipFile

import pytest
from botocore.stub import Stubber

from bulk.job import Job, read_job
from bulk.shards import images_of, read_shard
from podium.care.bulk import Asked, child_environment, job_for, results_at, summarise
from podium.connection import Connection
from podium.errors import ConsoleError
from tests.podium.conftest import INPUT

MOST_ASKED = 9
PARAMETERS = {
    "ExistingBucket": "archive",
    "ModelArchive": "models/balls-1.0.mar",
    "ModelArchiveVersion": "v1",
    "ModelArchiveSha256": "a" * 64,
    "ModelName": "balls",
    "ModelVersion": "1.0",
}


@pytest.fixture
def stack(connection: Connection) -> Iterator[Connection]:
    """A stack that holds a model, has a function, and may read another bucket."""
    iam = connection.session.client("iam")
    role = iam.create_role(RoleName="classify", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17"}))["Role"]
    zipped = io.BytesIO()
    with ZipFile(zipped, "w") as code:
        code.writestr("handler.py", "")
    connection.lambda_client.create_function(
        FunctionName="podium-classify", Runtime="python3.13", Role=role["Arn"], Handler="handler.lambda_handler",
        Code={"ZipFile": zipped.getvalue()}, Environment={"Variables": {"MAX_IMAGE_BYTES": "10485760"}},
    )  # fmt: skip
    connection.s3.create_bucket(Bucket="archive")
    for number in range(5):
        connection.s3.put_object(Bucket="archive", Key=f"2019/{number}.jpg", Body=b"photo")
    connection.s3.put_object(Bucket="archive", Key="2020/0.jpg", Body=b"photo")
    with answering(connection, PARAMETERS):
        yield connection


def answering(stack: Connection, parameters: dict[str, str]) -> Stubber:
    """CloudFormation, which says these parameters as often as it is asked."""
    stub = Stubber(stack.cloudformation)
    described = {"StackName": "podium", "CreationTime": datetime.now(UTC), "StackStatus": "CREATE_COMPLETE"}
    named = [{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()]
    for _ in range(MOST_ASKED):
        stub.add_response("describe_stacks", {"Stacks": [{**described, "Parameters": named}]}, {"StackName": "podium"})
    return stub


def begun(stack: Connection, asked: Asked, name: str | None = "job") -> Job:
    return job_for(stack, name, asked, lambda _: None)


def test_a_prefix_is_listed_into_shards_with_the_stack_s_own_model(stack: Connection) -> None:
    job = begun(stack, Asked("s3://archive/2019/", rows=True, shard_images=2))
    assert read_job(stack.s3, "podium-results", "job") == job
    assert (job.images, job.shards, job.rows, job.max_image_bytes) == (5, 3, True, 10_485_760)
    assert (job.model.ref, job.archive.key, job.archive.version_id, job.archive.sha256) == ("balls@1.0", "models/balls-1.0.mar", "v1", "a" * 64)  # fmt: skip
    keys = [
        it.key for shard in range(3) for it in images_of(read_shard(stack.s3, "podium-results", job, shard), "archive")
    ]
    assert keys == [f"2019/{number}.jpg" for number in range(5)]
    tally, left = summarise(stack, job)
    assert (tally.images, left) == (0, [0, 1, 2])
    assert results_at(stack, job) == "s3://podium-results/bulk/job/results/"


def test_the_same_command_goes_on_with_the_job_and_lists_nothing_anew(stack: Connection) -> None:
    asked = Asked("s3://archive/2019/", shard_images=2)
    job = begun(stack, asked)
    stack.s3.put_object(Bucket="archive", Key="2019/later.jpg", Body=b"photo")
    assert begun(stack, asked) == job


@pytest.mark.parametrize(
    ("asked", "refused"),
    [
        (Asked("s3://archive/2020/"), "there is a job 'job' over s3://archive/2019/"),
        (Asked("s3://archive/2019/", rows=True), "was begun without --rows"),
        (Asked("s3://archive/2019/", inventory="s3://i/manifest.json"), "of a list of the bucket"),
        (Asked("s3://archive/2019/", archive=Path("other.mar")), "with balls@1.0"),
    ],
)
def test_a_job_is_not_gone_on_with_in_another_way(stack: Connection, asked: Asked, refused: str) -> None:
    begun(stack, Asked("s3://archive/2019/"))
    with pytest.raises(ConsoleError, match=refused):
        begun(stack, asked)


@pytest.mark.parametrize(
    ("location", "name", "refused"),
    [
        ("s3://archive/none/", "job", "there is no image under"),
        ("s3://another/2019/", "job", "may not read the bucket"),
        ("s3://archive/2019/", "a/b", "cannot name a backfill"),
    ],
)
def test_what_cannot_be_classified_is_refused(stack: Connection, location: str, name: str, refused: str) -> None:
    with pytest.raises(ConsoleError, match=refused):
        begun(stack, Asked(location), name)
    assert read_job(stack.s3, "podium-results", "job") is None


def test_a_preparation_that_was_interrupted_is_done_again_from_its_beginning(stack: Connection) -> None:
    def interrupt(images: int) -> None:
        if images == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        job_for(stack, "job", Asked("s3://archive/2019/", shard_images=2), interrupt)
    assert read_job(stack.s3, "podium-results", "job") is None
    assert begun(stack, Asked("s3://archive/2019/", shard_images=3)).shards == 2


def test_a_stack_with_a_model_server_needs_an_archive_that_is_named(connection: Connection) -> None:
    with (
        answering(connection, {**PARAMETERS, "ModelArchive": ""}),
        pytest.raises(ConsoleError, match="--archive"),
    ):
        begun(connection, Asked(f"s3://{INPUT}/"))


def test_a_child_on_this_machine_speaks_to_the_stack_as_the_person_does(
    stack: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "mine")
    found = child_environment(stack)
    assert found["AWS_PROFILE"] == "mine"
    assert "AWS_ENDPOINT_URL" not in stack.client_variables
