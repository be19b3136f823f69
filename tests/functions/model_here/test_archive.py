"""The model's archive: the very bytes that the deployment names, or a sentence that says what to do."""

from __future__ import annotations

import hashlib
from pathlib import Path

import boto3
import pytest

from pipeline.errors import ModelUnavailable
from pipeline.model_here.archive import ArchiveRef, fetch
from tests.functions.conftest import RESULTS, Aws

MAR = b"an archive" * 300_000


@pytest.fixture
def there(aws: Aws) -> ArchiveRef:
    """The archive as it was published, and another one over it."""
    first = aws.s3.put_object(Bucket=RESULTS, Key="models/balls-1.0.mar", Body=MAR)
    aws.s3.put_object(Bucket=RESULTS, Key="models/balls-1.0.mar", Body=b"a later one")
    return ArchiveRef(
        bucket=RESULTS,
        key="models/balls-1.0.mar",
        version_id=first["VersionId"],
        sha256=hashlib.sha256(MAR).hexdigest(),
    )


def test_the_named_version_is_fetched_though_another_lies_over_it(there: ArchiveRef, tmp_path: Path) -> None:
    assert fetch(boto3.client("s3"), there, tmp_path).read_bytes() == MAR


def test_other_bytes_than_the_deployment_names_are_not_kept(there: ArchiveRef, tmp_path: Path) -> None:
    other = there.model_copy(update={"sha256": "0" * 64})
    with pytest.raises(ModelUnavailable, match=rf"has the SHA-256 {there.sha256}, and the deployment names 0{{64}}: "):
        fetch(boto3.client("s3"), other, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "changed", [{"key": "models/gone.mar"}, {"bucket": "nobodys"}, {"version_id": "never-was"}, {"key": ""}]
)
def test_an_archive_that_is_not_there_is_named_with_what_to_do(
    there: ArchiveRef, tmp_path: Path, changed: dict[str, str]
) -> None:
    with pytest.raises(ModelUnavailable, match=r"podium deploy|Deploy again"):
        fetch(boto3.client("s3"), there.model_copy(update=changed), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_disk_that_refuses_is_named(there: ArchiveRef, tmp_path: Path) -> None:
    (tmp_path / "balls-1.0.mar").mkdir()
    with pytest.raises(ModelUnavailable, match="give the function more EphemeralStorage"):
        fetch(boto3.client("s3"), there, tmp_path)
