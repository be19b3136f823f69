"""The result that a row names: alone in its object, or one line of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.contracts import Classification, Row

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def result_of(s3: S3Client, bucket: str, row: Row) -> Classification:
    """The row's result, in the version of its object that the row names; of an object of many, only its line is read."""
    optional: dict[str, Any] = {"VersionId": row.result_version_id, "Range": row.result_range}
    found = s3.get_object(
        Bucket=bucket, Key=row.result_key, **{name: value for name, value in optional.items() if value is not None}
    )
    return Classification.model_validate_json(found["Body"].read())
