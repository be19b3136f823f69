"""A new stack takes over what a former one of its name retained: CloudFormation imports it, then `sam deploy` adds the rest.

CloudFormation's own `ImportExistingResources` takes only names without a function such as !Sub, and no queues; the SAM CLI
has no option for it: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/import-resources-automatically.html
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from podium.connection import Connection
from podium.errors import ConsoleError
from podium.removal.retained import NAME_PROPERTY, Retained, retained_here
from podium.removal.stacks import HOLDS_NOTHING, OURS, find_stack
from podium.removal.template import needs_others

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.type_defs import ResourceToImportTypeDef, WaiterConfigTypeDef

KEPT = ("Type", "DeletionPolicy", "UpdateReplacePolicy")
BEGUN = {HOLDS_NOTHING, "IMPORT_ROLLBACK_COMPLETE"}  # a stack by name, which holds nothing
DESCRIPTION = f"{OURS}: what a former deployment of this name left; deploy it again for the rest."
INDEXES = "GlobalSecondaryIndexes"
WAIT: WaiterConfigTypeDef = {"Delay": 3, "MaxAttempts": 200}


def left_from_before(connection: Connection) -> list[Retained]:
    """What a new stack of this name must take over; nothing if there is a stack, which has its own."""
    found = find_stack(connection, connection.stack)
    return retained_here(connection) if found is None or found["StackStatus"] in BEGUN else []


def adopt(connection: Connection, retained: Sequence[Retained], now: datetime | None = None) -> None:
    """Make the stack, of these resources alone; nothing in them is changed. ConsoleError says why AWS does not."""
    from botocore.exceptions import WaiterError

    cloudformation = connection.cloudformation
    change_set = f"takes-over-{now or datetime.now(UTC):%Y%m%dT%H%M%S}"
    cloudformation.create_change_set(
        StackName=connection.stack,
        ChangeSetName=change_set,
        ChangeSetType="IMPORT",
        TemplateBody=json.dumps(template_of([_as_it_is(connection, it) for it in retained])),
        ResourcesToImport=[_imported(connection, it) for it in retained],
    )
    try:
        cloudformation.get_waiter("change_set_create_complete").wait(
            StackName=connection.stack, ChangeSetName=change_set, WaiterConfig=WAIT
        )
    except WaiterError as error:
        why = cloudformation.describe_change_set(StackName=connection.stack, ChangeSetName=change_set)
        raise _not_taken(connection, retained, why.get("StatusReason", str(error))) from error
    cloudformation.execute_change_set(StackName=connection.stack, ChangeSetName=change_set)
    try:
        cloudformation.get_waiter("stack_import_complete").wait(StackName=connection.stack, WaiterConfig=WAIT)
    except WaiterError as error:
        found = find_stack(connection, connection.stack)
        reason = found.get("StackStatusReason", found["StackStatus"]) if found else str(error)
        raise _not_taken(connection, retained, reason) from error


def template_of(retained: Sequence[Retained]) -> dict[str, Any]:
    """A template of these alone, without what refers to others, such as the bucket's notification: `sam deploy` adds that."""
    resources = {
        it.logical_id: {
            **{name: it.definition[name] for name in KEPT},
            "Properties": {
                name: value for name, value in it.definition["Properties"].items() if not needs_others(value)
            },
        }
        for it in retained
    }
    return {"AWSTemplateFormatVersion": "2010-09-09", "Description": DESCRIPTION, "Resources": resources}


def _as_it_is(connection: Connection, it: Retained) -> Retained:
    """A table with the indexes that it has: it may be of an older version, and `sam deploy` must see what is to be changed."""
    if it.kind != "AWS::DynamoDB::Table":
        return it
    table = connection.dynamodb_client.describe_table(TableName=it.name)["Table"]
    indexes = [
        {"IndexName": one["IndexName"], "KeySchema": one["KeySchema"], "Projection": one["Projection"]}
        for one in table.get("GlobalSecondaryIndexes", [])
    ]
    properties = {name: value for name, value in it.definition["Properties"].items() if name != INDEXES}
    properties |= {"AttributeDefinitions": table["AttributeDefinitions"], **({INDEXES: indexes} if indexes else {})}
    return it._replace(definition={**it.definition, "Properties": properties})


def _imported(connection: Connection, it: Retained) -> ResourceToImportTypeDef:
    if it.kind == "AWS::SQS::Queue":
        identifier = {"QueueUrl": connection.sqs.get_queue_url(QueueName=it.name)["QueueUrl"]}
    else:
        identifier = {NAME_PROPERTY[it.kind]: it.name}
    return {"ResourceType": it.kind, "LogicalResourceId": it.logical_id, "ResourceIdentifier": identifier}


def _not_taken(connection: Connection, retained: Sequence[Retained], why: str) -> ConsoleError:
    return ConsoleError(
        f"stack {connection.stack!r} cannot take over what a former one of its name left ({', '.join(map(str, retained))}): "
        f"{why.rstrip('.')}. Deploy under another name, or delete it with "
        f"`podium destroy --stack {connection.stack} --delete-data`."
    )
