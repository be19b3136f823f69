"""What CloudFormation leaves behind when a stack is deleted: the buckets, tables and queues that the template retains."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from podium.connection import Connection
from podium.errors import ConsoleError
from podium.project import ROOT
from podium.removal.template import named, read_template

Json = Any
NAME_PROPERTY = {"AWS::S3::Bucket": "BucketName", "AWS::DynamoDB::Table": "TableName", "AWS::SQS::Queue": "QueueName"}
WORDS = {"AWS::S3::Bucket": "bucket", "AWS::DynamoDB::Table": "table", "AWS::SQS::Queue": "queue"}
COUNTED_AT_MOST = 100_000  # versions of objects; a hundred requests


class Retained(NamedTuple):
    """A resource that outlives its stack."""

    logical_id: str
    kind: str  # CloudFormation's type
    name: str
    definition: Json  # in the template

    def __str__(self) -> str:
        return f"{WORDS[self.kind]} {self.name}"


class Held(NamedTuple):
    """A retained resource, and what it holds, in words."""

    retained: Retained
    what: str

    def __str__(self) -> str:
        return f"{self.retained} ({self.what})"


def retained_by_template(stack: str, account: str, region: str, partition: str) -> list[Retained]:
    """What a deployment of this name retains, whether or not it is there."""
    pseudo = {
        "AWS::StackName": stack, "AWS::AccountId": account, "AWS::Region": region, "AWS::Partition": partition,
    }  # fmt: skip
    return [
        Retained(name, it["Type"], named(it["Properties"][NAME_PROPERTY[it["Type"]]], pseudo), it)
        for name, it in read_template(ROOT / "template.yaml")["Resources"].items()
        if it.get("DeletionPolicy", "").startswith("Retain")
    ]


def retained_here(connection: Connection) -> list[Retained]:
    """What is there of it. ConsoleError about one that bears the name and is not a deployment's of ours."""
    caller = connection.session.client("sts", **connection.options).get_caller_identity()
    partition = caller["Arn"].split(":")[1]
    known = retained_by_template(connection.stack, caller["Account"], connection.session.region_name, partition)
    return [it for it in known if _is_there(connection, it)]


def _is_there(connection: Connection, it: Retained) -> bool:
    from botocore.exceptions import ClientError

    try:
        match it.kind:
            case "AWS::S3::Bucket":
                connection.s3.head_bucket(Bucket=it.name)
            case "AWS::SQS::Queue":
                connection.sqs.get_queue_url(QueueName=it.name)
            case _:
                _check_key(connection, it)
    except ClientError as error:
        match error.response["Error"].get("Code"):
            case "404" | "NoSuchBucket" | "ResourceNotFoundException":
                return False
            case "AWS.SimpleQueueService.NonExistentQueue" | "QueueDoesNotExist":
                return False
            case "403":
                raise ConsoleError(
                    f"{it} is there, and you may not look at it: it is somebody else's, or your role lacks s3:ListBucket."
                ) from error
            case _:
                raise
    return True


def _check_key(connection: Connection, it: Retained) -> None:
    """Another program's table may bear the name; its key tells."""
    table = connection.dynamodb_client.describe_table(TableName=it.name)["Table"]
    key, ours = _plain(table["KeySchema"]), _plain(it.definition["Properties"]["KeySchema"])
    if key != ours:
        raise ConsoleError(
            f"{it} is not one that Podium made: its key is {', '.join(sorted(key))}. Choose another name for the stack."
        )


def _plain(schema: Sequence[Json]) -> dict[str, str]:
    return {part["AttributeName"]: part["KeyType"] for part in schema}


def held_by(connection: Connection, it: Retained) -> Held:
    """What it holds; counts of tables and queues are AWS's own, which are hours and seconds old."""
    match it.kind:
        case "AWS::S3::Bucket":
            count = _counted(_versions(connection, it.name))
            uploads = sum(1 for _ in unfinished_uploads(connection, it.name))
            return Held(it, f"{count} versions of objects" + (f", {uploads} unfinished uploads" if uploads else ""))
        case "AWS::SQS::Queue":
            url = connection.sqs.get_queue_url(QueueName=it.name)["QueueUrl"]
            return Held(it, f"about {sum(connection.message_counts(url))} messages")
        case _:
            table = connection.dynamodb_client.describe_table(TableName=it.name)["Table"]
            return Held(it, f"about {table.get('ItemCount', 0):,} rows")


def _versions(connection: Connection, bucket: str) -> Iterator[int]:
    for page in connection.s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        yield len(page.get("Versions", [])) + len(page.get("DeleteMarkers", []))


def unfinished_uploads(connection: Connection, bucket: str) -> Iterator[tuple[str, str]]:
    """Key and id of every multipart upload that was begun and neither completed nor aborted."""
    for page in connection.s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket):
        yield from ((it["Key"], it["UploadId"]) for it in page.get("Uploads", []))


def _counted(pages: Iterator[int]) -> str:
    total = 0
    for some in pages:
        total += some
        if total > COUNTED_AT_MOST:
            return f"more than {COUNTED_AT_MOST:,}"
    return f"{total:,}"
