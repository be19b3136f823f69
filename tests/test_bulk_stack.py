"""What the stack of bulk jobs couples to the child, to its container and to the core stack, and what it must never allow."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from bulk.__main__ import parser
from tests.bulk.conftest import Aws, photo
from tests.bulk.conftest import aws as aws  # noqa: PLC0414 - a fixture

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # cfn-lint's own imports warn
    from cfnlint.api import lint_file
    from cfnlint.config import ManualArgs
    from cfnlint.decode import decode

ROOT = Path(__file__).parents[1]
TEMPLATE = ROOT / "bulk" / "bulk-stack.yaml"
WITHOUT_A_RESOURCE = {"ecs:DiscoverPollEndpoint", "ecr:GetAuthorizationToken"}  # AWS accepts "*" alone for them
ACTIONS = {  # of the operations, where they are not called alike; a version is an action of its own
    "ListObjectsV2": "s3:ListBucket",
    "HeadObject": "s3:GetObject",
    "DeleteObjects": "s3:DeleteObject",
}
Json = dict[str, Any]


@pytest.fixture(scope="module")
def template() -> Json:
    decoded, problems = decode(str(TEMPLATE))
    assert not problems
    return dict(decoded)


@pytest.fixture(scope="module")
def resources(template: Json) -> dict[str, Json]:
    return {name: resource["Properties"] for name, resource in template["Resources"].items()}


@pytest.fixture(scope="module")
def container(resources: dict[str, Json]) -> Json:
    found: Json = resources["Child"]["ContainerProperties"]
    return found


def statements(resources: dict[str, Json], role: str) -> Iterator[Json]:
    for policy in resources[role]["Policies"]:
        yield from policy["PolicyDocument"]["Statement"]
    if role == "ChildRole":
        yield from resources["ChildMayWriteRows"]["PolicyDocument"]["Statement"]


def actions(statement: Json) -> list[str]:
    found = statement["Action"]
    return [found] if isinstance(found, str) else list(found)


def test_the_template_is_valid_and_asks_for_no_advice() -> None:
    assert lint_file(TEMPLATE, config=ManualArgs(include_checks=["I"])) == []


def test_a_child_is_started_as_its_program_wants_it(container: Json) -> None:
    words = ["results-bucket" if isinstance(word, dict) else word for word in container["Command"]]
    asked = parser().parse_args([{"Ref::job": "monday", "Ref::attempt": "1-0"}.get(word, word) for word in words])
    assert (asked.bucket, asked.job, asked.attempt) == ("results-bucket", "monday", "1-0")


def test_buckets_and_table_are_those_of_the_core_stack(container: Json) -> None:
    core, _ = decode(str(ROOT / "template.yaml"))
    named = {
        name: core["Resources"][name]["Properties"]["BucketName"]["Fn::Sub"]
        for name in ("InputBucket", "ResultsBucket")
    }
    text = TEMPLATE.read_text()
    for name in named.values():
        assert name.replace("${AWS::StackName}", "${CoreStackName}") in text
    assert container["Command"][0]["Fn::Sub"] == named["ResultsBucket"].replace("AWS::StackName", "CoreStackName")
    table = core["Resources"]["ResultsTable"]["Properties"]["TableName"]["Fn::Sub"]
    assert f"table/{table.replace('AWS::StackName', 'CoreStackName')}" in text


def test_a_child_has_the_permission_of_every_call_that_it_makes_and_no_other(
    aws: Aws, aws_session: boto3.Session, resources: dict[str, Json]
) -> None:
    """One shard with rows, and again after an image was uploaded anew: a look at S3 says which upload is the latest."""
    called = {"s3:GetObjectVersion"}  # of the archive, by pipeline/model_here/archive.py

    def note(model: Any, params: Json, **_: object) -> None:  # noqa: ANN401
        name = ACTIONS.get(model.name, f"{model.service_model.service_name}:{model.name}")
        called.add(f"{name}Version" if model.name == "GetObject" and "versionId" in str(params) else name)

    theirs = Aws(aws_session)
    for client in (theirs.s3, theirs.dynamodb):
        client.meta.events.register("before-call", note)
    for label in ("ball", "another ball"):
        aws.upload("0.jpg", photo(label))
        job = aws.job(rows=True)
        aws.s3.delete_object(Bucket="podium-results", Key=job.result_key(0))
        theirs.child(job).do(0)

    allowed = {action for statement in statements(resources, "ChildRole") for action in actions(statement)}
    assert called == allowed


@pytest.mark.parametrize("role", ["ChildRole", "HostRole"])
def test_no_permission_is_for_everything(resources: dict[str, Json], role: str) -> None:
    for statement in statements(resources, role):
        assert not any("*" in action for action in actions(statement))
        assert statement["Resource"] != "*" or set(actions(statement)) <= WITHOUT_A_RESOURCE, statement


def test_a_child_deletes_nothing_but_parts_and_writes_nothing_but_its_job(resources: dict[str, Json]) -> None:
    [clearing] = [it for it in statements(resources, "ChildRole") if "s3:DeleteObject" in actions(it)]
    assert clearing["Resource"]["Fn::Sub"].endswith("-results-${AWS::AccountId}-${AWS::Region}/bulk/*/parts/*")
    [writing] = [it for it in statements(resources, "ChildRole") if "s3:PutObject" in actions(it)]
    assert writing["Resource"]["Fn::Sub"].endswith("-results-${AWS::AccountId}-${AWS::Region}/bulk/*")


def test_rows_are_written_only_where_somebody_allowed_it(template: Json) -> None:
    assert template["Resources"]["ChildMayWriteRows"]["Condition"] == "MayWriteRows"
    assert template["Parameters"]["WritesRows"]["Default"] == "false"


def test_a_lost_machine_is_another_try_and_a_refusal_is_none(resources: dict[str, Json]) -> None:
    retry = resources["Child"]["RetryStrategy"]
    assert retry["Attempts"] == 10
    assert retry["EvaluateOnExit"][0] == {"OnStatusReason": "Host EC2*", "Action": "RETRY"}
    assert retry["EvaluateOnExit"][1] == {"OnExitCode": "2", "Action": "EXIT"}


def test_nothing_costs_while_nothing_is_submitted_and_all_machines_are_spot(resources: dict[str, Json]) -> None:
    machines = resources["Machines"]["ComputeResources"]
    assert (machines["MinvCpus"], machines["Type"]) == (0, "SPOT")
    assert not [name for name in machines["InstanceTypes"] if re.fullmatch(r"[a-z]+\d+g[a-z]*", name)], "x86-64 alone"


def test_a_child_cannot_write_its_root_nor_reach_the_machine_s_role(
    container: Json, resources: dict[str, Json]
) -> None:
    assert container["ReadonlyRootFilesystem"] is True
    assert container["Privileged"] is False
    assert container["User"] == "10001:10001"
    metadata = resources["HostTemplate"]["LaunchTemplateData"]["MetadataOptions"]
    assert metadata == {"HttpTokens": "required", "HttpPutResponseHopLimit": 1}
    [egress] = resources["HostSecurityGroup"]["SecurityGroupEgress"]
    assert (egress["FromPort"], egress["ToPort"]) == (443, 443)
    assert "SecurityGroupIngress" not in resources["HostSecurityGroup"]


def test_the_image_holds_all_that_a_child_imports_and_no_torch(tmp_path: Path) -> None:
    dockerfile = (ROOT / "bulk" / "Dockerfile").read_text()
    copied = re.findall(r"^COPY (\S+) (\S+)$", dockerfile, re.MULTILINE)
    for source, target in copied:
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, tmp_path / target, ignore=shutil.ignore_patterns("__pycache__"))
    listed = (ROOT / "bulk" / "Dockerfile.dockerignore").read_text()
    assert {source for source, _ in copied} <= set(re.findall(r"^!(\S+)$", listed, re.MULTILINE))
    program = "import runpy, sys\ntry: runpy.run_module('bulk', run_name='__main__')\nexcept SystemExit: print(*sorted({it.split('.')[0] for it in sys.modules}))"
    ran = subprocess.run(
        [sys.executable, "-c", program, "--help"], cwd=tmp_path, capture_output=True, text=True, check=True,
        env={"PYTHONPATH": f"{tmp_path}:{tmp_path / 'functions'}", "AWS_DEFAULT_REGION": "us-east-1"},
    )  # fmt: skip
    loaded = set(ran.stdout.splitlines()[-1].split())
    assert not loaded & {"torch", "timm", "training", "podium"}
    assert {"pyarrow", "boto3", "pydantic"} <= loaded
