"""The result that a row names: alone in its object, or one line of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.contracts import Classification, Row

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def result_of(s3: S3Client, bucket: str, row: Row) -> Classification:
    """The row's result: in the version of its object that the row names; or of an object of many, one line.

    Such an object has the digest of its bytes for a name, so all its versions are alike, and none needs naming; the embedded
    AWS, which sends all bytes of a named version, sends the line, too.
    """
    which: dict[str, Any] = {"VersionId": row.result_version_id} if row.result_version_id else {}
    found = s3.get_object(
        Bucket=bucket, Key=row.result_key, **({"Range": row.result_range} if row.result_range else which)
    )
    return Classification.model_validate_json(found["Body"].read())
