"""A deployment is taken down and made again under its name, through a profile that leads to the embedded AWS."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stack.aws import Root
from tests.stack.conftest import PODIUM, ROOT, Console

pytestmark = pytest.mark.stack

PROFILE = """[profile there]
region = us-east-1
aws_access_key_id = 000000000000
aws_secret_access_key = {secret}
endpoint_url = {endpoint}
"""


class Person:
    """Somebody whose AWS is the embedded one: `--stack NAME` is all that they know of it."""

    def __init__(self, console: Console, secret: str, facts: dict[str, str]) -> None:
        config = console.home / "aws-config"
        config.write_text(PROFILE.format(secret=secret, endpoint=facts["endpoint_url"]))
        self._environment = {
            **console.environment, "AWS_CONFIG_FILE": str(config), "AWS_PROFILE": "there",
            "AWS_CA_BUNDLE": facts["ca_bundle"],
        }  # fmt: skip

    def podium(self, *words: str, rc: int = 0) -> str:
        """What a command says on stderr."""
        done = subprocess.run(
            [PODIUM, *words, "--stack", "podium"], env=self._environment, cwd=ROOT, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=600, check=False,
        )  # fmt: skip
        assert done.returncode == rc, f"podium {' '.join(words)}\n{done.stdout}\n{done.stderr}"
        return done.stderr


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """A stack of its own, without a server and without a model: it is about what stays, not about what is classified."""
    console = Console(tmp_path_factory.mktemp("destroyed") / "home")
    try:
        console.podium("up", "--no-server")
        yield console
    finally:
        console.run("down", "--delete-data")


@pytest.fixture(scope="module")
def aws(console: Console) -> Root:
    return Root(console.json("status"), json.loads((console.home / "local.json").read_text())["secret"])


@pytest.fixture(scope="module")
def person(console: Console, aws: Root) -> Person:
    secret = json.loads((console.home / "local.json").read_text())["secret"]
    return Person(console, secret, aws.facts)


def names(root: Root) -> set[str]:
    """All buckets but the SAM CLI's, all tables, queues and functions."""
    buckets = {it["Name"] for it in root.s3.list_buckets()["Buckets"] if not it["Name"].startswith("aws-sam-cli")}
    queues = {url.rpartition("/")[2] for url in root.sqs.list_queues().get("QueueUrls", [])}
    functions = {it["FunctionName"] for it in root.functions.list_functions()["Functions"]}
    return buckets | queues | functions | set(root.dynamodb.list_tables()["TableNames"])


def test_destroyed_without_its_data_it_is_made_again_with_it(
    person: Person, console: Console, aws: Root, tmp_path: Path
) -> None:
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8\xff\xe0 a photo")
    console.podium("drop", str(tmp_path), "--batch", "early")
    before, objects = names(aws), aws.s3.list_object_versions(Bucket=aws.facts["input_bucket"])["Versions"]

    said = person.podium("destroy", "--yes")
    kept = names(aws)
    named = set(re.findall(r"(?:bucket|table|queue) ([a-z0-9-]+)", said.partition("It leaves")[2]))
    assert kept == named, "what is left is what was named, and nothing else"
    assert kept < before
    assert {aws.facts["input_bucket"], aws.facts["results_bucket"], "podium-results", "podium-images-dlq"} < kept
    assert "podium deploy --stack podium" in said
    again = person.podium("destroy", "--yes")
    assert again == said[said.index("'podium' is deleted") :], "interrupted and run again it goes on, and says the same"

    assert "it takes over what a stack of this name left" in person.podium("deploy", "--yes")
    assert names(aws) == before
    assert aws.s3.list_object_versions(Bucket=aws.facts["input_bucket"])["Versions"] == objects
    configuration = aws.s3.get_bucket_notification_configuration(Bucket=aws.facts["input_bucket"])
    assert configuration["QueueConfigurations"][0]["QueueArn"].endswith(":podium-images"), "uploads are announced again"
    (tmp_path / "b.jpg").write_bytes(b"\xff\xd8\xff\xe0 another photo")
    person.podium("drop", str(tmp_path), "--batch", "late")
    assert aws.messages(aws.facts["queue_url"]) >= 2


def test_destroyed_with_its_data_nothing_is_left_and_it_is_made_anew(person: Person, aws: Root) -> None:
    bucket = aws.facts["input_bucket"]
    aws.s3.put_object(Bucket=bucket, Key="incoming/early/a.jpg", Body=b"overwritten")
    aws.s3.delete_object(Bucket=bucket, Key="incoming/early/a.jpg")
    aws.s3.create_multipart_upload(Bucket=bucket, Key="incoming/early/big.jpg")

    said = person.podium("destroy", "--delete-data", "--yes")
    assert f"bucket {bucket} (" in said
    assert "1 unfinished uploads" in said
    assert names(aws) == set()
    assert "nothing of it" in person.podium("destroy", "--delete-data", "--yes", rc=1)

    assert "takes over" not in person.podium("deploy", "--yes")
    assert aws.s3.list_object_versions(Bucket=bucket).get("Versions", []) == []


def test_a_running_backfill_is_stopped(person: Person, aws: Root) -> None:
    machine = {
        "StartAt": "Long", "States": {"Long": {"Type": "Wait", "Seconds": 3600, "End": True}}
    }  # fmt: skip
    arn = aws.facts["backfill_machine"]
    aws.stepfunctions.update_state_machine(stateMachineArn=arn, definition=json.dumps(machine))
    execution = aws.stepfunctions.start_execution(stateMachineArn=arn, name="long", input="{}")["executionArn"]
    assert aws.stepfunctions.describe_execution(executionArn=execution)["status"] == "RUNNING"
    person.podium("destroy", "--delete-data", "--yes")
    assert aws.stepfunctions.describe_execution(executionArn=execution)["status"] == "ABORTED"
