"""The rollout in the ledger, under `rollout`, and its tallies, under `rollout/...`. A step or a rollback is one write: no deployment."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from botocore.config import Config

from pipeline.contracts import stamp
from pipeline.rollout.state import Rollout
from pipeline.rollout.tally import StageTally

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef, PutItemInputTypeDef

KEY = "rollout"
TALLY_KEPT = timedelta(days=90)
LAST_ERROR_CHARACTERS = 500
# No image waits for long for what a rollout only wants to know.
BRIEFLY = Config(connect_timeout=1, read_timeout=1, retries={"total_max_attempts": 1, "mode": "standard"})


class Changed(Exception):
    """Somebody changed the rollout in between, or it has ended."""


@dataclass(frozen=True)
class Rollouts:
    """The ledger, as far as rollouts use it; threads may share it."""

    dynamodb: DynamoDBClient
    table: str

    def read(self) -> Rollout | None:
        """The newest rollout, live or ended; None if there never was one."""
        answer = self.dynamodb.get_item(TableName=self.table, Key={"id": {"S": KEY}}, ConsistentRead=True)
        return Rollout.read(answer.get("Item", {}))

    def write(self, rollout: Rollout, before: Rollout | None) -> None:
        """Put the rollout in the place of `before`, as it was read; Changed if that is not what is there."""
        condition = "attribute_not_exists(id)" if before is None else "started_at = :started AND stage_at = :at"
        if before is not None and before.is_live:
            condition += " AND attribute_not_exists(ended_at)"
        request: PutItemInputTypeDef = {
            "TableName": self.table, "Item": _item(rollout), "ConditionExpression": condition,
        }  # fmt: skip
        if before is not None:
            known = {":started": {"S": stamp(before.started_at)}, ":at": {"S": stamp(before.stage_at)}}
            request["ExpressionAttributeValues"] = known
        try:
            self.dynamodb.put_item(**request)
        except self.dynamodb.exceptions.ConditionalCheckFailedException as refused:
            raise Changed from refused

    def roll_back(self, *, by: str, reason: str, at: datetime, noticed_at: datetime) -> bool:
        """End the live rollout; False if there is none, or it began after what was noticed about another."""
        try:
            self.dynamodb.update_item(
                TableName=self.table,
                Key={"id": {"S": KEY}},
                UpdateExpression="SET stage = :rolled_back, ended_at = :at, ended_by = :by, reason = :reason",
                ConditionExpression="(stage = :shadow OR stage = :weights) AND started_at < :noticed",
                ExpressionAttributeValues={
                    ":rolled_back": {"S": "rolled_back"}, ":shadow": {"S": "shadow"}, ":weights": {"S": "weights"},
                    ":at": {"S": stamp(at)}, ":noticed": {"S": stamp(noticed_at)},
                    ":by": {"S": by}, ":reason": {"S": reason},
                },
            )  # fmt: skip
        except self.dynamodb.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def add(self, rollout: Rollout, counts: Counter[str], last_error: str | None, now: datetime) -> StageTally:
        """Add counts to the tally of the rollout's stage; the tally after that."""
        names = sorted(+counts)
        sets = "last_error = :error, expires_at = :expires" if last_error else "expires_at = :expires"
        values: dict[str, AttributeValueTypeDef] = {f":{name}": {"N": str(counts[name])} for name in names}
        values[":expires"] = {"N": str(int((now + TALLY_KEPT).timestamp()))}
        if last_error:
            values[":error"] = {"S": last_error[:LAST_ERROR_CHARACTERS]}
        answer = self.dynamodb.update_item(
            TableName=self.table,
            Key=_tally_key(rollout),
            UpdateExpression=f"ADD {', '.join(f'{name} :{name}' for name in names)} SET {sets}",
            ExpressionAttributeValues=values,
            ReturnValues="ALL_NEW",
        )
        return StageTally.read(answer["Attributes"])

    def tally(self, rollout: Rollout) -> StageTally:
        """What was counted in the rollout's stage so far."""
        answer = self.dynamodb.get_item(TableName=self.table, Key=_tally_key(rollout), ConsistentRead=True)
        return StageTally.read(answer.get("Item", {}))


def _tally_key(rollout: Rollout) -> dict[str, AttributeValueTypeDef]:
    return {"id": {"S": f"{KEY}/{rollout.id}/{rollout.stage_name}"}}


def _item(rollout: Rollout) -> dict[str, AttributeValueTypeDef]:
    item: dict[str, AttributeValueTypeDef] = {"id": {"S": KEY}}
    for name, value in rollout.model_dump(exclude_none=True).items():
        if isinstance(value, datetime):
            item[name] = {"S": stamp(value)}
        else:
            item[name] = {"S": value} if isinstance(value, str) else {"N": str(value)}
    return item
