"""The Lambda that ends a rollout when an alarm is raised: disagreement, errors, another version, or a function that crashes.

CloudWatch's alarm -> SNS -> roll_back: one conditional write to the ledger, which the classify functions read twice a minute
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Any, TypedDict

import boto3
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import AwareDatetime, Field, ValidationError

from pipeline.aws import CLIENTS
from pipeline.contracts import Record
from pipeline.rollout.ledger import Rollouts
from pipeline.settings import RollbackSettings, load_settings
from pipeline.telemetry import count_apart, logger


class Alarm(Record):
    """What CloudWatch tells about an alarm's change, as far as it is needed."""

    name: str = Field(alias="AlarmName")
    state: str = Field(alias="NewStateValue")
    reason: str = Field(default="", alias="NewStateReason")
    description: str = Field(default="", alias="AlarmDescription")
    changed_at: AwareDatetime = Field(alias="StateChangeTime")


class Response(TypedDict):
    """What a person reads who invokes the function by hand."""

    rolled_back: bool
    alarms: list[str]


@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], _context: LambdaContext) -> Response:
    """End the live rollout, if there is one that began before the alarm."""
    return respond(event, open_rollouts(load_settings(RollbackSettings)), datetime.now(UTC))


@cache
def open_rollouts(settings: RollbackSettings) -> Rollouts:
    """The ledger of this process."""
    return Rollouts(boto3.client("dynamodb", config=CLIENTS), settings.ledger_name)


def respond(event: dict[str, Any], rollouts: Rollouts, now: datetime) -> Response:
    """Roll back because of each alarm; errors of AWS are raised: SNS's delivery to Lambda is tried again."""
    raised = [alarm for alarm in alarms_in(event) if alarm.state == "ALARM"]
    done = False
    for alarm in raised:
        why = f"{alarm.description} {alarm.reason}".strip()
        done |= rollouts.roll_back(by=alarm.name, reason=why[:1000], at=now, noticed_at=alarm.changed_at)
        logger.warning("rollout rolled back" if done else "no rollout to roll back", alarm=alarm.name, reason=why)
    if done:
        count_apart("RolloutRolledBack", 1)
    return {"rolled_back": done, "alarms": [alarm.name for alarm in raised]}


def alarms_in(event: dict[str, Any]) -> list[Alarm]:
    """The alarms of an SNS event; what is none is named in the log."""
    alarms = []
    for record in event.get("Records", []):
        message = record.get("Sns", {}).get("Message", "")
        try:
            alarms.append(Alarm.model_validate_json(message))
        except ValidationError:
            logger.warning("message is no alarm", said=str(message)[:200])
    return alarms
