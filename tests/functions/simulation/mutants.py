"""Mistakes that one could make in the pipeline, each through the seam that the real code has: the promises must notice them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from typing import Any

from boto3.dynamodb.types import TypeSerializer
from botocore.exceptions import BotoCoreError, ClientError

from pipeline.backfill.handler import order_for
from pipeline.classify.answer import Response
from pipeline.classify.clock import Clock
from pipeline.classify.connections import Connections
from pipeline.classify.handler import classify_messages
from pipeline.classify.trial import Trial
from pipeline.classify.trials import Trials
from pipeline.contracts import Classification, DeadLetterCode, ImageRef, ModelFacts, Order
from pipeline.errors import Answer, ModelUnavailable, NotTogether
from pipeline.queue.messages import Message, Queue
from pipeline.results.known_rows import KnownRow
from pipeline.results.lines import Place, lines_of
from pipeline.results.rows import Item, row_of
from pipeline.results.store import Store, Stored
from pipeline.settings import Settings
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


class OneLineTooFar(Store):
    """A row names the line of its neighbour."""

    def put_lines(self, classifications: Sequence[Classification]) -> Sequence[Place]:
        places = super().put_lines(classifications)
        return [*places[1:], places[0]]


class LinesUnderOneName(Store):
    """What was written before is overwritten, and rows name no version."""

    def put_lines(self, classifications: Sequence[Classification]) -> Sequence[Place]:
        lines = lines_of(classifications)._replace(key="results/lines/all.jsonl")
        self.s3.put_object(Bucket=self.bucket, Key=lines.key, Body=lines.body, ContentType="application/jsonl")
        return lines.places("v0")


class RowsBeforeLines(Store):
    """The commit point comes before what it commits."""

    def put_lines(self, classifications: Sequence[Classification]) -> Sequence[Place]:
        return lines_of(classifications).places(None)


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


def acknowledges_everything(
    messages: tuple[Message, ...],
    settings: Settings,
    connections: Connections,
    clock: Clock,
    workers: Callable[[], Executor],
) -> Response:
    """The response names no failure."""
    classify_messages(messages, settings, connections, clock, workers)
    return {"batchItemFailures": []}


def fails_together(
    messages: tuple[Message, ...],
    settings: Settings,
    connections: Connections,
    clock: Clock,
    workers: Callable[[], Executor],
) -> Response:
    """One failure is raised, and takes the whole batch with it."""
    response = classify_messages(messages, settings, connections, clock, workers)
    if response["batchItemFailures"]:
        raise ModelUnavailable("one of the batch failed")
    return response


def asks_together_for_ever(
    messages: tuple[Message, ...],
    settings: Settings,
    connections: Connections,
    clock: Clock,
    workers: Callable[[], Executor],
) -> Response:
    """A message that came before is thought to come for the first time: its images share a request with others again."""
    first = {"attributes": {"ApproximateReceiveCount": "1"}}
    forgetful = tuple(Message.model_validate(it.model_dump(by_alias=True) | first) for it in messages)
    return classify_messages(forgetful, settings, connections, clock, workers)


class NeverAlone(SimulatedModelClient):
    """A server that does not take many images in one request is thought to be down."""

    def ask(self, images: Sequence[bytes], *, budget_s: float, model: ModelFacts | None = None) -> list[Answer]:
        try:
            return super().ask(images, budget_s=budget_s, model=model)
        except NotTogether as refused:
            raise ModelUnavailable("refused") from refused


class DealsBackwards(SimulatedModelClient):
    """The predictions of one request go to the images in another order."""

    def ask(self, images: Sequence[bytes], *, budget_s: float, model: ModelFacts | None = None) -> list[Answer]:
        return super().ask(images, budget_s=budget_s, model=model)[::-1]


def wins_over_everything(image: ImageRef, row: KnownRow | None, job: str) -> Order | None:
    """What is backfilled counts as newer than any upload."""
    order = order_for(image, row, job)
    return order and order.model_copy(update={"image": image.model_copy(update={"sequencer": "F" * 18})})


class ShadowAnswers(Trials):
    """A candidate that is only to be compared answers."""

    def begin(self, clock: Clock, orders: Collection[Order], pool: Executor) -> Trial:
        trial = super().begin(clock, orders, pool)
        if trial.rollout is not None:
            trial.rollout = trial.rollout.model_copy(update={"stage": "weights", "weight": 100.0})
        return trial


class NothingBehind(Trials):
    """What the candidate does not answer, nobody answers: its message comes again, and is the current model's then."""

    def begin(self, clock: Clock, orders: Collection[Order], pool: Executor) -> Trial:
        trial = super().begin(clock, orders, pool)
        if trial.models is not None:
            trial.models = replace(trial.models, current=trial.models.candidate)
        return trial
