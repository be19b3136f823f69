"""A new stack takes over what a former one left: the import that AWS is asked for, and what is said if it refuses."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, cast

import boto3
import pytest
from botocore.stub import ANY, Stubber

from podium.connection import Connection
from podium.errors import ConsoleError
from podium.removal.adopt import adopt, left_from_before, template_of
from podium.removal.retained import retained_here
from tests.podium.removal.conftest import ACCOUNT, make, retained

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # cfn-lint's own imports warn
    from cfnlint.api import lint

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NAME = {"StackName": "photos", "ChangeSetName": "takes-over-20260101T000000"}
STACK = {"StackName": "photos", "StackId": "arn:photos", "CreationTime": "2026-01-01"}


@pytest.fixture
def left(photos: Connection) -> Connection:
    for it in retained():
        make(photos, it)
    return photos


@pytest.fixture
def stubbed(photos: Connection) -> Iterator[Stubber]:
    """CloudFormation as the responses of a test say."""
    cloudformation = boto3.client("cloudformation", region_name="us-east-1")
    cast(Any, photos).cloudformation = cloudformation
    with Stubber(cloudformation) as stub:
        yield stub
    stub.assert_no_pending_responses()


def test_the_template_of_an_import_holds_them_alone_and_refers_to_nothing_else() -> None:
    template = template_of(retained())
    assert set(template["Resources"]) == {it.logical_id for it in retained()}
    assert "Outputs" not in template, "AWS: as part of the import operation, you cannot modify or add outputs"
    bucket = template["Resources"]["InputBucket"]
    assert "NotificationConfiguration" not in bucket["Properties"], "it names the queue, which is not there yet"
    assert bucket["Properties"]["VersioningConfiguration"] == {"Status": "Enabled"}
    assert all(it["DeletionPolicy"] == "RetainExceptOnCreate" for it in template["Resources"].values())
    assert all("DependsOn" not in it for it in template["Resources"].values())
    assert [match for match in lint(json.dumps(template)) if match.rule.severity == "error"] == []


def test_each_is_imported_by_what_identifies_its_kind(left: Connection, stubbed: Stubber) -> None:
    url = left.sqs.get_queue_url(QueueName="photos-images-dlq")["QueueUrl"]
    expected = [
        {"ResourceType": "AWS::S3::Bucket", "LogicalResourceId": "InputBucket", "ResourceIdentifier": {"BucketName": f"photos-input-{ACCOUNT}-us-east-1"}},
        {"ResourceType": "AWS::DynamoDB::Table", "LogicalResourceId": "LedgerTable", "ResourceIdentifier": {"TableName": "photos-ledger"}},
        {"ResourceType": "AWS::SQS::Queue", "LogicalResourceId": "ImagesDeadLetterQueue", "ResourceIdentifier": {"QueueUrl": url}},
    ]  # fmt: skip
    few = [it for it in retained_here(left) if it.logical_id in {one["LogicalResourceId"] for one in expected}]
    few.sort(key=lambda it: ["InputBucket", "LedgerTable", "ImagesDeadLetterQueue"].index(it.logical_id))
    request = {**NAME, "ChangeSetType": "IMPORT", "TemplateBody": ANY, "ResourcesToImport": expected}
    stubbed.add_response("create_change_set", {}, request)
    stubbed.add_response("describe_change_set", {"Status": "CREATE_COMPLETE"}, NAME)
    stubbed.add_response("execute_change_set", {}, NAME)
    stubbed.add_response("describe_stacks", {"Stacks": [{**STACK, "StackStatus": "IMPORT_COMPLETE"}]})
    adopt(left, few, NOW)


def test_a_table_of_another_version_is_imported_with_the_indexes_that_it_has(
    left: Connection, stubbed: Stubber
) -> None:
    """Else CloudFormation would take those of the template for made, and never make them."""
    [table] = [it for it in retained_here(left) if it.logical_id == "ResultsTable"]
    assert "GlobalSecondaryIndexes" in table.definition["Properties"]
    bodies: list[str] = []
    hook = left.cloudformation.meta.events.register_first
    hook(
        "provide-client-params.cloudformation.CreateChangeSet",
        lambda params, **_: bodies.append(params["TemplateBody"]),
    )
    stubbed.add_response("create_change_set", {})
    stubbed.add_response("describe_change_set", {"Status": "CREATE_COMPLETE"})
    stubbed.add_response("execute_change_set", {})
    stubbed.add_response("describe_stacks", {"Stacks": [{**STACK, "StackStatus": "IMPORT_COMPLETE"}]})
    adopt(left, [table], NOW)
    properties = json.loads(bodies[0])["Resources"]["ResultsTable"]["Properties"]
    assert "GlobalSecondaryIndexes" not in properties
    assert {it["AttributeName"] for it in properties["AttributeDefinitions"]} == {"image", "model"}


def test_a_refused_import_says_why_and_what_can_be_done(left: Connection, stubbed: Stubber) -> None:
    reason = "table photos-results is already managed in the stack photos-2"
    stubbed.add_response("create_change_set", {})
    for _ in range(2):
        stubbed.add_response("describe_change_set", {"Status": "FAILED", "StatusReason": reason})
    with pytest.raises(ConsoleError, match=f"{reason}. Deploy under another name, or delete it with `podium destroy"):
        adopt(left, retained_here(left), NOW)


def test_an_import_that_is_rolled_back_says_why(left: Connection, stubbed: Stubber) -> None:
    stubbed.add_response("create_change_set", {})
    stubbed.add_response("describe_change_set", {"Status": "CREATE_COMPLETE"})
    stubbed.add_response("execute_change_set", {})
    rolled_back = {**STACK, "StackStatus": "IMPORT_ROLLBACK_COMPLETE", "StackStatusReason": "Throttled"}
    for _ in range(2):
        stubbed.add_response("describe_stacks", {"Stacks": [rolled_back]})
    with pytest.raises(ConsoleError, match=r"cannot take over .*: Throttled\."):
        adopt(left, retained_here(left), NOW)


@pytest.mark.parametrize(
    ("status", "taken_over"),
    [("REVIEW_IN_PROGRESS", True), ("IMPORT_ROLLBACK_COMPLETE", True), ("UPDATE_COMPLETE", False), (None, True)],
)
def test_a_stack_that_is_there_has_its_own_and_one_that_was_only_begun_has_nothing(
    left: Connection, stubbed: Stubber, status: str | None, taken_over: bool
) -> None:
    if status:
        stubbed.add_response("describe_stacks", {"Stacks": [{**STACK, "StackStatus": status}]})
    else:
        stubbed.add_client_error("describe_stacks", "ValidationError", "Stack with id photos does not exist")
    assert bool(left_from_before(left)) is taken_over
