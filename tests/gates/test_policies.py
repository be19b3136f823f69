"""Every policy of every template, in each shape: its actions exist, its resources and conditions are such as they take.

parliament judges roles' policies and buckets', queues' and topics' own. cfn-lint's rules I3510 and W3037 know newer actions; they
judge the templates in test_templates.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gates.running import GATES, run
from tests.gates.shapes import shapes
from tests.gates.templates import Json, name_of, templates

# What parliament finds and is let be: the resource's logical name, the action, and why.
REASONS = {
    (
        "BackfillMachineRole",
        "states:DescribeExecution",
    ): "standard executions and a map's runs; the machine is no express one, whose ARN is asked for",
    (
        "FinishRole",
        "dynamodb:ListStreams",
    ): "AWS takes it for * alone, which nobody gets here; SAM's own policy for streams names it for the table's, too",
    (
        "GateRole",
        "lambda:ListEventSourceMappings",
    ): "the embedded AWS checks it where AWS checks Get; on one mapping it permits nothing on AWS",
}


def policies(resources: Json) -> Iterator[tuple[str, Json]]:
    """Logical name and document of each policy: attached to it, or inside a role."""
    for name, resource in resources.items():
        properties = resource.get("Properties", {})
        inside = properties.get("Policies", []) if resource["Type"] == "AWS::IAM::Role" else []
        for policy in [properties, *inside]:
            if "PolicyDocument" in policy:
                yield name, policy["PolicyDocument"]


def findings(folder: Path) -> Iterator[tuple[str, str]]:
    """What is wrong, with the file's name."""
    judged = run(GATES / "parliament", "--directory", folder, "--include_policy_extension", ".json", "--json")
    assert not judged.stderr.strip() or "Error" not in judged.stderr, judged.stderr
    for line in judged.stdout.splitlines():
        found = json.loads(line)
        details = found["detail"] if isinstance(found["detail"], list) else [found["detail"]]
        for detail in details or [{}]:
            action = detail.get("action", "") if isinstance(detail, dict) else ""
            yield Path(found["location"]["filepath"]).stem, action or f"{found['issue']}: {found['title']} {detail}"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a file for each policy."""
    folder = tmp_path_factory.mktemp("policies")
    for path in templates():
        for shape, resources in shapes(path):
            for number, (name, document) in enumerate(policies(resources)):
                (folder / f"{name}.{name_of(path)}-{shape}-{number}.json").write_text(json.dumps(document))
    return folder


def test_every_action_of_every_policy_exists_and_fits_its_resources_and_conditions(written: Path) -> None:
    assert list(written.iterdir())
    found = {(file.split(".")[0], action): file for file, action in findings(written)}
    assert {what: file for what, file in found.items() if what not in REASONS} == {}
    assert REASONS.keys() - found.keys() == set(), "these are let be, and nothing finds them any more"


def test_every_resource_of_a_policy_is_an_arn_in_each_shape(written: Path) -> None:
    """A reference that the shapes could not compute would be judged as nothing."""
    for file in written.iterdir():
        for statement in json.loads(file.read_text())["Statement"]:
            resources = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
            for resource in resources:
                assert resource == "*" or resource.startswith("arn:aws:"), f"{file.name}: {resource}"


@pytest.mark.parametrize(
    ("action", "resource", "found"),
    [
        ("s3:GetObjekt", "arn:aws:s3:::bucket/*", "UNKNOWN_ACTION"),
        ("s3:GetObject", "arn:aws:s3:::bucket", "s3:GetObject"),
        ("sqs:SendMessage", "arn:aws:sns:us-east-1:123456789012:topic", "sqs:SendMessage"),
    ],
)
def test_an_action_that_does_not_exist_or_does_not_fit_is_found(
    tmp_path: Path, action: str, resource: str, found: str
) -> None:
    statement = {"Effect": "Allow", "Action": action, "Resource": resource}
    (tmp_path / "role.json").write_text(json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    [(file, what)] = findings(tmp_path)
    assert file == "role"
    assert found in what
