"""CloudFormation stacks: what one consists of, which stand beside it, and how one is deleted."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, NamedTuple

from podium.connection import Connection
from podium.errors import ConsoleError

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.type_defs import StackTypeDef

OnNote = Callable[[str], None]
Sleep = Callable[[float], None]
CORE = "CoreStackName"  # the parameter by which a stack beside names the stack of template.yaml
OURS = "Podium"  # begins the description of every template of this project
NETWORK = "A network for the GPU path"  # begins the description of network.yaml; other stacks may use what it makes
HOLDS_NOTHING = "REVIEW_IN_PROGRESS"  # a change set was made for it and not executed; it may have no description yet
LOOK_EVERY_S = 5.0
NAMED = 5  # resources in a sentence


class Resource(NamedTuple):
    """A resource of a stack."""

    logical_id: str
    kind: str
    physical_id: str


def find_stack(connection: Connection, stack: str) -> StackTypeDef | None:
    """The stack of this name or id; None if there is none any more."""
    from botocore.exceptions import ClientError

    try:
        found = connection.cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
    except ClientError as error:
        if error.response["Error"].get("Code") != "ValidationError":
            raise
        return None
    return None if found["StackStatus"] == "DELETE_COMPLETE" else found


def check_ours(connection: Connection, stack: StackTypeDef, names: Collection[str]) -> None:
    """ConsoleError about a stack that another template made: whoever mistypes a name must not delete it.

    `names` are what a deployment of ours has: a store that forgets a template's description is asked for resources.
    """
    described = stack.get("Description", "")
    if stack["StackStatus"] == HOLDS_NOTHING or described.startswith(OURS):
        return
    if described or not any(it.physical_id in names for it in resources_of(connection, stack["StackName"])):
        raise ConsoleError(
            f"stack {stack['StackName']!r} is not Podium's ({described or 'it has no description'}): it was not touched."
        )


def resources_of(connection: Connection, stack: str) -> list[Resource]:
    """What the stack consists of and is there still."""
    pages = connection.cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack)
    return [
        Resource(it["LogicalResourceId"], it["ResourceType"], it["PhysicalResourceId"])
        for page in pages
        for it in page["StackResourceSummaries"]
        if it.get("PhysicalResourceId") and it["ResourceStatus"] != "DELETE_COMPLETE"
    ]


def stacks_beside(connection: Connection) -> list[str]:
    """The stacks of this project that serve this one, such as that of the GPUs: they name it in a parameter."""
    named = {"ParameterKey": CORE, "ParameterValue": connection.stack}
    return [
        stack["StackName"]
        for stack in _described(connection, OURS)
        if any(named.items() <= it.items() for it in stack.get("Parameters", []))
    ]


def networks(connection: Connection) -> list[str]:
    """The stacks of network.yaml in this account and Region."""
    return [stack["StackName"] for stack in _described(connection, NETWORK)]


def _described(connection: Connection, beginning: str) -> Iterator[StackTypeDef]:
    for page in connection.cloudformation.get_paginator("describe_stacks").paginate():
        for stack in page["Stacks"]:
            if stack.get("Description", "").startswith(beginning):
                yield stack


def delete_stack(connection: Connection, stack: str, note: OnNote, *, sleep: Sleep = time.sleep) -> None:
    """Delete the stack and wait until it is gone; nothing to do if it is. ConsoleError names what did not go, and why."""
    found = find_stack(connection, stack)
    if found is None:
        return
    connection.cloudformation.delete_stack(StackName=stack)
    this_very_one = found["StackId"]
    while (now := find_stack(connection, this_very_one)) is not None:
        if now["StackStatus"] == "DELETE_FAILED":
            reasons = list(_failures(connection, this_very_one)) or [
                now.get("StackStatusReason", "CloudFormation gives no reason")
            ]
            raise ConsoleError(
                f"stack {stack!r} was not deleted. Put right what stands below and do it again: it goes on.",
                below=reasons[:NAMED],
            )
        note(f"deleting stack {stack}: {len(resources_of(connection, this_very_one))} resources are left")
        sleep(LOOK_EVERY_S)


def _failures(connection: Connection, stack: str) -> Iterator[str]:
    pages = connection.cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack)
    for page in pages:
        for it in page["StackResourceSummaries"]:
            if it["ResourceStatus"] == "DELETE_FAILED":
                yield f"{it['LogicalResourceId']} ({it.get('PhysicalResourceId', '-')}): {it.get('ResourceStatusReason', 'no reason')}"
