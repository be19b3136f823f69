"""The embedded AWS as its root sees it, for what a person would not type: policies, invocations, clocks."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import boto3

Json = Any
Policy = tuple[str, str, Json]  # the name of a role on AWS, its policy's name and document


class Permission(NamedTuple):
    """One action that a role of the template may do."""

    role: str
    sid: str
    action: str


class Root:
    """boto3 clients of the account's root, for the stack that `podium status --json` described."""

    def __init__(self, facts: dict[str, str], secret: str) -> None:
        self.facts = facts
        self._session = boto3.Session("000000000000", secret, region_name=facts["region"])
        self._clients: dict[str, Json] = {}

    def __getattr__(self, service: str) -> Json:
        """`root.s3`, `root.iam`, ...; `lambda` is `root.functions`."""
        if service not in self._clients:
            name = {"functions": "lambda"}.get(service, service)
            self._clients[service] = self._session.client(  # type: ignore[call-overload]
                name, endpoint_url=self.facts["endpoint_url"], verify=self.facts["ca_bundle"]
            )
        return self._clients[service]

    def invoke(self, function: str, event: Json) -> tuple[Json, str]:
        """The function's response and the end of its log; AssertionError when it raised."""
        answer = self.functions.invoke(
            FunctionName=f"{self.facts['stack']}-{function}", Payload=json.dumps(event), LogType="Tail"
        )
        log = base64.b64decode(answer.get("LogResult", "")).decode(errors="replace")
        payload = json.loads(answer["Payload"].read() or "null")
        assert "FunctionError" not in answer, f"{payload}\n{log}"
        return payload, log

    def messages(self, url: str) -> int:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        counts = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return sum(int(count) for count in counts.values())


def policies_of(root: Root) -> dict[str, Policy]:
    """The policy of each role of the template."""
    found = {}
    for resource in root.cloudformation.describe_stack_resources(StackName=root.facts["stack"])["StackResources"]:
        if resource["ResourceType"] == "AWS::IAM::Role":
            name = resource["PhysicalResourceId"]
            [policy] = root.iam.list_role_policies(RoleName=name)["PolicyNames"]
            document = root.iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
            found[resource["LogicalResourceId"].removesuffix("Role")] = (name, policy, document)
    return found


@contextmanager
def without(permission: Permission, root: Root, policy: Policy) -> Iterator[None]:
    """The role lacks the one permission meanwhile."""
    role, name, document = policy
    reduced = copy.deepcopy(document)
    for statement in reduced["Statement"]:
        if statement["Sid"] == permission.sid:
            actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
            statement["Action"] = [action for action in actions if action != permission.action]
    reduced["Statement"] = [statement for statement in reduced["Statement"] if statement["Action"]]
    root.iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(reduced))
    try:
        yield
    finally:
        root.iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(document))
