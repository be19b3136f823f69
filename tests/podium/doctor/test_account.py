"""What `podium doctor --aws` says of an account in both shapes, on moto."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import boto3
import pytest

from podium.aws_account import Account
from podium.doctor.account import concurrency_finding, look_at_account, look_at_aws, shell_finding
from podium.doctor.finding import Finding
from tests.podium.doctor.conftest import REGION, Answers

THERE = Account("123456789012", REGION, "arn:aws:iam::123456789012:user/me", None, None)
INPUT = f"podium-input-123456789012-{REGION}"
A_NEW_ACCOUNT: Answers = {
    "lambda.GetAccountSettings": {"AccountLimit": {"ConcurrentExecutions": 10}},
    "cloudformation.DescribeStacks": {"Error": {"Code": "ValidationError", "Message": "no such stack"}},
}
SessionWith = Callable[[Answers], boto3.Session]


def found(session: boto3.Session, stack: str = "podium") -> dict[str, Finding]:
    return {one.subject: one for one in look_at_account(session, THERE, stack)}


def test_an_empty_account_can_take_the_function_shape_at_once(session_with: SessionWith) -> None:
    findings = found(session_with(A_NEW_ACCOUNT))
    assert [one.mend for one in findings.values()] == [None, None, None, None]
    assert findings[f"bucket {INPUT}"].found == "the name is free"


def test_a_bucket_that_a_former_stack_left_is_named_with_both_ways_on(session_with: SessionWith) -> None:
    session = session_with(A_NEW_ACCOUNT)
    session.client("s3").create_bucket(Bucket=INPUT)
    left = found(session)[f"bucket {INPUT}"]
    assert "left from a former stack" in left.found
    assert left.mend == (
        "podium deploy --stack podium takes it over; podium destroy --stack podium --delete-data deletes it"
    )


def test_the_bucket_of_a_stack_that_is_there_is_well(session_with: SessionWith) -> None:
    session = session_with({**A_NEW_ACCOUNT, "cloudformation.DescribeStacks": {"Stacks": [{"StackName": "podium"}]}})
    session.client("s3").create_bucket(Bucket=INPUT)
    assert found(session)[f"bucket {INPUT}"].is_well


def test_a_bucket_of_somebody_else_is_not_taken_for_ones_own(session_with: SessionWith) -> None:
    """S3 answers so to ExpectedBucketOwner, which moto does not know."""
    refused = {"Error": {"Code": "403", "Message": "Forbidden"}, "ResponseMetadata": {"HTTPStatusCode": 403}}
    session = session_with({**A_NEW_ACCOUNT, "s3.HeadBucket": refused})
    asked: list[dict[str, str]] = []
    session.events.register("provide-client-params.s3.HeadBucket", lambda params, **_: asked.append(params))
    bucket = found(session)[f"bucket {INPUT}"]
    assert asked[0] == {"Bucket": INPUT, "ExpectedBucketOwner": THERE.account}
    assert bucket.found == "somebody else's, or forbidden to you (403)"
    assert bucket.mend == "choose another name than --stack podium"


@pytest.mark.parametrize(("limit", "well"), [(9, False), (10, True), (1000, True)])
def test_fewer_functions_than_the_stack_runs_are_mended_by_a_quota(limit: int, well: bool) -> None:
    finding = concurrency_finding(limit)
    assert finding.is_well is well
    assert well or "--quota-code L-B99A9384" in str(finding.mend)


@pytest.mark.parametrize(
    ("variables", "well"),
    [
        ({}, True),
        ({"AWS_ENDPOINT_URL": "https://127.0.0.1:4566"}, False),
        ({"AWS_ENDPOINT_URL_S3": "http://localhost:9000"}, False),
        ({"AWS_ENDPOINT_URL_SQS": "https://vpce-1.sqs.eu-west-1.vpce.amazonaws.com"}, True),
    ],
)
def test_a_shell_that_points_at_the_local_stack_is_named(variables: Mapping[str, str], well: bool) -> None:
    finding = shell_finding(variables)
    assert finding.is_well is well
    assert well or finding.mend == 'eval "$(podium env --unset)"'


@pytest.mark.usefixtures("account")
def test_without_a_region_there_is_one_sentence_and_no_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    shell, credentials = look_at_aws("podium", 2, [])
    assert shell.is_well
    assert "no Region is set" in str(credentials.mend)


@pytest.mark.usefixtures("account")
def test_the_local_stack_s_endpoint_is_named_and_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://127.0.0.1:1")
    findings: Any = look_at_aws("podium", 2, [])
    assert not next(findings).is_well
    assert next(findings).found == f"account 123456789012 (arn:aws:sts::123456789012:user/moto), Region {REGION}"
