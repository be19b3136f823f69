"""The plan of a stack that exists lists what would change, and asks AWS for nothing but what is there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import boto3
import pytest
from botocore.stub import Stubber

from podium.aws_account import Account
from podium.connection import Connection
from podium.costs.assumptions import Assumptions
from podium.costs.prices import load_prices
from podium.costs.shapes import Setting
from podium.plan import compared, plan
from podium.shown.plan import plan_sentences

SETTING = Setting(load_prices(), Assumptions())
THERE = Account("123456789012", "eu-west-1", "arn:aws:iam::123456789012:user/me", None, None)
DEPLOYED = {
    "Parameters": {
        "FunctionsAtOnce": {"Type": "String", "Default": "8"},
        "Architecture": {"Type": "String", "Default": "arm64"},
    },
    "Resources": {
        "ImagesQueue": {
            "Type": "AWS::SQS::Queue",
            "Properties": {"QueueName": {"Fn::Sub": "${AWS::StackName}-images"}},
        },
        "OldTopic": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "old"}},
    },
}


@pytest.fixture
def aws(aws_session: boto3.Session) -> Iterator[tuple[Connection, Stubber]]:
    """A connection whose CloudFormation answers what the test says, and nothing else."""
    connection = Connection("photos")
    connection.session = aws_session
    with Stubber(connection.cloudformation) as answers:
        yield connection, answers
        answers.assert_no_pending_responses()


def described(**parameters: str) -> dict[str, object]:
    given = [{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()]
    stack = {"StackName": "photos", "CreationTime": datetime(2026, 1, 1, tzinfo=UTC), "StackStatus": "CREATE_COMPLETE"}
    outputs = [{"OutputKey": "InputBucket", "OutputValue": "photos-input-123456789012-eu-west-1"}]
    return {"Stacks": [{**stack, "Parameters": given, "Outputs": outputs}]}


def test_a_new_stack_has_the_names_of_the_persons_account_and_region(aws: tuple[Connection, Stubber]) -> None:
    connection, answers = aws
    answers.add_client_error("describe_stacks", "ValidationError", "Stack with id photos does not exist")
    found = compared(connection, THERE, {}, SETTING)
    assert found.exists is False
    assert {it.change for it in found.changes} == {"made"}
    assert "photos-input-123456789012-eu-west-1" in {it.resource.name for it in found.changes}


def test_a_stack_that_exists_is_compared_by_reading_alone_and_keeps_its_parameters(
    aws: tuple[Connection, Stubber],
) -> None:
    connection, answers = aws
    answers.add_response("describe_stacks", described())
    answers.add_response("describe_stacks", described(FunctionsAtOnce="2", Architecture="arm64"))
    answers.add_response(
        "get_template", {"TemplateBody": json.dumps(DEPLOYED)}, {"StackName": "photos", "TemplateStage": "Processed"}
    )
    found = compared(connection, THERE, {"FunctionsAtOnce": "4"}, SETTING)
    changes = {it.resource.logical: it for it in found.changes}
    assert found.exists
    assert found.parameters == {"FunctionsAtOnce": "4", "Architecture": "arm64"}
    assert changes["OldTopic"].change == "deleted"
    assert changes["ImagesQueue"].change == "changed"
    assert "VisibilityTimeout" in changes["ImagesQueue"].properties
    assert changes["ClassifyFunction"].change == "made"
    assert changes["ClassifyFunction"].resource.properties["Architectures"] == ["arm64"]
    assert "1 deleted" in next(iter(plan_sentences(found)))


def test_without_an_account_the_plan_is_that_of_a_new_stack_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    found = plan("photos", {}, SETTING)
    assert found.exists is None
    assert "Region" in found.why_unknown
    assert len(found.changes) > 30
