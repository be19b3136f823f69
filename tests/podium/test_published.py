"""An archive in the stack's own bucket: uploaded once, and named by its version and digest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from botocore.stub import Stubber

from inference.archive.digest import file_sha256
from podium.connection import Connection
from podium.errors import ConsoleError
from podium.local.deployment import built_for
from podium.published import publish
from tests.functions.factories import NOON
from tests.inference.archive.mars import files, write_mar

OPENVINO = {"engine": "openvino", "precisions": ["fp32"], "files": {"openvino.xml": "0" * 64}, "processor": []}


def a_mar(folder: Path, **changed: Any) -> Path:  # noqa: ANN401 - JSON
    return write_mar(folder / "balls.mar", files(**{"engines": [OPENVINO], **changed}))


@pytest.fixture
def versioned(connection: Connection) -> Connection:
    connection.s3.create_bucket(Bucket=connection.facts.results_bucket)
    connection.s3.put_bucket_versioning(
        Bucket=connection.facts.results_bucket, VersioningConfiguration={"Status": "Enabled"}
    )
    return connection


def test_the_parameters_name_the_very_bytes(versioned: Connection, tmp_path: Path) -> None:
    mar = a_mar(tmp_path)
    found = publish(versioned, mar)
    stored = versioned.s3.get_object(
        Bucket=versioned.facts.results_bucket, Key=found["ModelArchive"], VersionId=found["ModelArchiveVersion"]
    )["Body"].read()
    assert stored == mar.read_bytes()
    assert found == {
        "ModelServerUrl": "", "ModelArchive": "models/balls-1.0.mar", "ModelArchiveVersion": found["ModelArchiveVersion"],
        "ModelArchiveSha256": file_sha256(mar), "ModelName": "balls", "ModelVersion": "1.0",
    }  # fmt: skip


def test_the_same_archive_is_uploaded_once_and_another_one_over_it(versioned: Connection, tmp_path: Path) -> None:
    first = publish(versioned, a_mar(tmp_path))
    assert publish(versioned, a_mar(tmp_path)) == first
    other = publish(versioned, a_mar(tmp_path, temperature=2.0))
    assert other["ModelArchive"] == first["ModelArchive"]
    assert other["ModelArchiveVersion"] != first["ModelArchiveVersion"]


def test_an_archive_for_torch_alone_is_refused_with_how_to_package_it(versioned: Connection, tmp_path: Path) -> None:
    with pytest.raises(
        ConsoleError, match=r"it has no torch\. Package it again with `podium package RUN --engine openvino`"
    ):
        publish(versioned, a_mar(tmp_path, engines=[]))


def test_a_stack_that_is_there_is_built_for_the_architecture_that_it_has(connection: Connection) -> None:
    described: Any = {
        "Stacks": [
            {
                "StackName": connection.stack, "CreationTime": NOON, "StackStatus": "CREATE_COMPLETE",
                "Parameters": [{"ParameterKey": "Architecture", "ParameterValue": "arm64"}],
                "Outputs": [{"OutputKey": "Model", "OutputValue": "balls@1.0"}],
            }
        ]
    }  # fmt: skip
    with Stubber(connection.cloudformation) as stub:
        stub.add_client_error("describe_stacks", "ValidationError")
        assert built_for(connection, {"ModelName": "balls"}) == {"ModelName": "balls"}
        for _ in range(4):
            stub.add_response("describe_stacks", described)
        assert built_for(connection, {}) == {"Architecture": "arm64"}
        assert built_for(connection, {"Architecture": "x86_64"}) == {"Architecture": "x86_64"}


def test_a_stack_that_only_took_over_what_a_former_one_left_is_deployed_as_a_new_one(connection: Connection) -> None:
    described: Any = {
        "Stacks": [{"StackName": connection.stack, "CreationTime": NOON, "StackStatus": "IMPORT_COMPLETE"}]
    }
    with Stubber(connection.cloudformation) as stub:
        stub.add_response("describe_stacks", described)
        assert built_for(connection, {"ModelName": "balls"}) == {"ModelName": "balls"}
