"""Mistakes that one could make in the pipeline, each through the seam that the real code has: the promises must notice them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from boto3.dynamodb.types import TypeSerializer
from botocore.exceptions import BotoCoreError, ClientError

from pipeline.backfill.handler import order_for
from pipeline.classify.groups import groups_of
from pipeline.classify.handler import Answer, classify_messages
from pipeline.contracts import Classification, DeadLetterCode, ImageRef, ModelFacts, Order
from pipeline.errors import ModelUnavailable
from pipeline.model_server.answers import Outcome
from pipeline.model_server.client import Sent
from pipeline.queue.messages import Message, Queue
from pipeline.results.known_rows import KnownRow
from pipeline.results.rows import Item, row_of
from pipeline.results.store import Store, Stored
from tests.functions.simulation.model_server import SimulatedModelClient
from tests.functions.simulation.s3 import S3Fake


def _serialized(row: Item) -> dict[str, Any]:
    return {name: TypeSerializer().serialize(value) for name, value in row.items()}


class NoCondition(Store):
    """Whoever comes last wins."""

    def put_row(self, row: Item) -> Stored:
        self.dynamodb.put_item(TableName=self.table, Item=_serialized(row))
        return "stored"


class FirstWins(Store):
    """An image that has a row is thought to be done."""

    condition = "attribute_not_exists(image)"

    def put_row(self, row: Item) -> Stored:
        values = {":sequencer": {"S": row["sequencer"]}} if ":sequencer" in self.condition else {}
        try:
            self.dynamodb.put_item(
                TableName=self.table,
                Item=_serialized(row),
                ConditionExpression=self.condition,
                ExpressionAttributeValues=values,
            )
        except self.dynamodb.exceptions.ConditionalCheckFailedException:
            return "superseded"
        return "stored"


class LooksThenWrites(NoCondition):
    """The condition is checked before the row is written, not with it."""

    def put_row(self, row: Item) -> Stored:
        key = _serialized({name: row[name] for name in ("image", "model")})
        found = self.dynamodb.get_item(TableName=self.table, Key=key, ConsistentRead=True)
        if "Item" in found and found["Item"]["sequencer"]["S"] > row["sequencer"]:
            return "superseded"
        return super().put_row(row)


class ReversedCondition(FirstWins):
    """The older upload wins."""

    condition = "attribute_not_exists(image) OR sequencer >= :sequencer"


class RowBeforeJson(Store):
    """The commit point comes before what it commits."""

    def put(self, classification: Classification) -> Stored:
        key = classification.image.result_key(self.input_bucket)
        stored = self.put_row(row_of(classification, key, None))
        self.put_result(classification)
        return stored


class PaddedOnTheLeft(Store):
    """Sequencers compared as numbers."""

    def put(self, classification: Classification) -> Stored:
        row = row_of(classification, *self.put_result(classification))
        return self.put_row(row | {"sequencer": classification.image.sequencer.rjust(32, "0")})


class LatestBytes(S3Fake):
    """The object is fetched as it is now, not as its event names it."""

    def get_object(self, *, Bucket: str, Key: str, **_which: str | None) -> dict[str, Any]:  # noqa: N803
        return super().get_object(Bucket=Bucket, Key=Key)


class NoBackOff(Queue):
    """What waits for the model comes again at once."""

    def postpone(self, messages: Iterable[tuple[Message, int]]) -> None:
        for message, _ in messages:
            self.sqs.change_message_visibility(
                QueueUrl=self.url, ReceiptHandle=message.receipt_handle, VisibilityTimeout=0
            )


class BuriesOrNot(Queue):
    """A dead letter that could not be sent is acknowledged all the same."""

    def bury(self, message: Message, code: DeadLetterCode, reason: str) -> None:
        try:
            super().bury(message, code, reason)
        except (ClientError, BotoCoreError):
            return


def acknowledges_everything(*given: Any, **named: Any) -> Answer:  # noqa: ANN401 (the handler's own arguments)
    """The answer names no failure."""
    classify_messages(*given, **named)
    return {"batchItemFailures": []}


def fails_together(*given: Any, **named: Any) -> Answer:  # noqa: ANN401 (the handler's own arguments)
    """One failure is raised, and takes the whole batch with it."""
    answer = classify_messages(*given, **named)
    if answer["batchItemFailures"]:
        raise ModelUnavailable("one of the batch failed")
    return answer


def asks_together_for_ever(*given: Any, **named: Any) -> Answer:  # noqa: ANN401 (the handler's own arguments)
    """A group whose server died is asked together again."""
    return classify_messages(*given, **named, group=lambda images, _: groups_of(images, alone=()))


class NeverAlone(SimulatedModelClient):
    """A server that does not take many images in one request is thought to be down."""

    def predict_together(
        self, sent: Sequence[Sent], *, budget_s: float, model: ModelFacts | None = None
    ) -> list[Outcome]:
        outcomes = super().predict_together(sent, budget_s=budget_s, model=model)
        if outcomes is None:
            raise ModelUnavailable("refused")
        return outcomes


class DealsBackwards(SimulatedModelClient):
    """The answers of one request are given to the images in another order."""

    def predict_together(
        self, sent: Sequence[Sent], *, budget_s: float, model: ModelFacts | None = None
    ) -> list[Outcome] | None:
        outcomes = super().predict_together(sent, budget_s=budget_s, model=model)
        return outcomes and outcomes[::-1]


def wins_over_everything(image: ImageRef, row: KnownRow | None, job: str) -> Order | None:
    """What is backfilled counts as newer than any upload."""
    order = order_for(image, row, job)
    return order and order.model_copy(update={"image": image.model_copy(update={"sequencer": "F" * 18})})
