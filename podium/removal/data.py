"""Buckets, tables and queues are emptied and deleted. Interrupted and begun again, it goes on with what is left."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING

from podium.connection import Connection
from podium.errors import ConsoleError
from podium.removal.retained import Retained, unfinished_uploads

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import ListObjectVersionsOutputTypeDef, ObjectIdentifierTypeDef

OnNote = Callable[[str], None]
PASSES = 5  # over a bucket: somebody may upload while it is emptied


def delete_data(connection: Connection, retained: Iterable[Retained], note: OnNote) -> None:
    """Delete each, with all that it holds."""
    for it in retained:
        note(f"deleting {it}")
        match it.kind:
            case "AWS::S3::Bucket":
                _delete_bucket(connection, it.name, note)
            case "AWS::SQS::Queue":
                url = connection.sqs.get_queue_url(QueueName=it.name)["QueueUrl"]
                connection.sqs.delete_queue(QueueUrl=url)
            case _:
                _delete_table(connection, it.name)


def _delete_bucket(connection: Connection, bucket: str, note: OnNote) -> None:
    from botocore.exceptions import ClientError

    for _ in range(PASSES):
        _empty(connection, bucket, note)
        try:
            connection.s3.delete_bucket(Bucket=bucket)
        except ClientError as error:
            if error.response["Error"].get("Code") != "BucketNotEmpty":
                raise
        else:
            return
    raise ConsoleError(
        f"bucket {bucket} does not become empty: somebody uploads to it. Stop the uploads and do it again."
    )


def _empty(connection: Connection, bucket: str, note: OnNote) -> None:
    """Delete all versions and delete markers, and abort what was never completed."""
    deleted = 0
    for page in connection.s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        if not (objects := list(_identifiers(page))):
            continue
        answer = connection.s3.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
        if refused := answer.get("Errors"):
            first = refused[0]
            raise ConsoleError(
                f"{len(refused)} versions in bucket {bucket} were not deleted, the first {first.get('Key')!r}: "
                f"{first.get('Code')}, {first.get('Message')}. Put it right and do it again: it goes on."
            )
        deleted += len(objects)
        note(f"{deleted:,} versions are deleted from {bucket}")
    for key, upload in unfinished_uploads(connection, bucket):
        connection.s3.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload)


def _identifiers(page: ListObjectVersionsOutputTypeDef) -> Iterator[ObjectIdentifierTypeDef]:
    """At most a thousand, as many as one request deletes."""
    for it in chain(page.get("Versions", []), page.get("DeleteMarkers", [])):
        yield {"Key": it["Key"], "VersionId": it["VersionId"]}


def _delete_table(connection: Connection, table: str) -> None:
    """Delete it, and wait until its name is free; one that is being deleted already is only waited for."""
    dynamodb = connection.dynamodb_client
    try:
        dynamodb.delete_table(TableName=table)
    except dynamodb.exceptions.ResourceInUseException:
        if dynamodb.describe_table(TableName=table)["Table"].get("TableStatus") != "DELETING":
            raise
    dynamodb.get_waiter("table_not_exists").wait(TableName=table, WaiterConfig={"Delay": 2, "MaxAttempts": 150})
