"""Results at rest: the JSON in S3 first, then the row, which is the commit point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from boto3.dynamodb.types import TypeSerializer

from pipeline.contracts import Classification
from pipeline.results.lines import Place, lines_of
from pipeline.results.rows import Item, row_of

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

# `repeated`: the row of the same upload was there, and is written again; `superseded`: a newer upload's row was there.
Stored = Literal["stored", "repeated", "superseded"]


@dataclass(frozen=True)
class Store:
    """The results bucket and the table; threads may share it."""

    s3: S3Client
    dynamodb: DynamoDBClient
    bucket: str
    table: str
    input_bucket: str

    def put(self, classification: Classification) -> Stored:
        """Store the result; whatever fails on the way, doing it again ends in the same state."""
        return self.put_row_of(classification, Place(*self.put_result(classification)))

    def put_result(self, classification: Classification) -> tuple[str, str | None]:
        """Write the JSON; its key and its version (None in a bucket without versioning)."""
        key = classification.image.result_key(self.input_bucket)
        document = classification.model_dump_json(indent=2) + "\n"
        answer = self.s3.put_object(Bucket=self.bucket, Key=key, Body=document.encode(), ContentType="application/json")
        return key, answer.get("VersionId")

    def put_lines(self, classifications: Sequence[Classification]) -> Sequence[Place]:
        """Write the results, at least one, as JSON Lines into one object; where each lies."""
        lines = lines_of(classifications)
        answer = self.s3.put_object(Bucket=self.bucket, Key=lines.key, Body=lines.body, ContentType="application/jsonl")
        return lines.places(answer.get("VersionId"))

    def put_row_of(self, classification: Classification, place: Place) -> Stored:
        """Write the row of a result that lies there."""
        return self.put_row(row_of(classification, *place))

    def put_row(self, row: Item) -> Stored:
        """Write the row unless a newer upload of the same image has one, by S3's order: the last upload wins.

        Losing to a newer one is a success; writing the row of the same upload again is one too.
        """
        serialize = TypeSerializer().serialize
        try:
            answer = self.dynamodb.put_item(
                TableName=self.table,
                Item={name: serialize(value) for name, value in row.items()},
                ConditionExpression="attribute_not_exists(image) OR sequencer <= :sequencer",
                ExpressionAttributeValues={":sequencer": {"S": row["sequencer"]}},
                ReturnValues="ALL_OLD",  # costs nothing, and tells a repeated delivery from a new upload
            )
        except self.dynamodb.exceptions.ConditionalCheckFailedException:
            return "superseded"
        return "repeated" if answer.get("Attributes", {}).get("sequencer") == {"S": row["sequencer"]} else "stored"
