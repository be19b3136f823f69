"""The child's program: what it is refused for ends with exit code 2, so that nobody tries the same again."""

from __future__ import annotations

import pytest

from bulk.__main__ import main, parser, work
from bulk.job import BulkRefused
from tests.bulk.conftest import RESULTS, Aws, photo


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


@pytest.mark.usefixtures("keys")
def test_a_job_that_is_not_there_is_refused(aws: Aws) -> None:
    words = [RESULTS, "never", "--shard", "0"]
    assert main(words) == 2
    with pytest.raises(BulkRefused, match="there is no job 'never'"):
        work(parser().parse_args(words))


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize(("is_there", "refused"), [(True, "has the SHA-256"), (False, "cannot be fetched")])
def test_an_archive_that_is_not_the_one_of_the_job_is_refused_before_an_image_is_fetched(
    aws: Aws, is_there: bool, refused: str
) -> None:
    aws.upload("0.jpg", photo("ball"))
    version = aws.s3.put_object(Bucket=RESULTS, Key="models/m.mar", Body=b"no archive")["VersionId"]
    job = aws.job()
    if is_there:
        named = job.model_copy(update={"archive": job.archive.model_copy(update={"version_id": version})})
        aws.s3.put_object(Bucket=RESULTS, Key="bulk/job/job.json", Body=named.model_dump_json().encode())
    words = [RESULTS, "job", "--shard", "0"]
    assert main(words) == 2
    with pytest.raises(BulkRefused, match=refused):
        work(parser().parse_args(words))
    listed = aws.s3.list_objects_v2(Bucket=RESULTS, Prefix="bulk/job/")["Contents"]
    assert [it["Key"] for it in listed] == ["bulk/job/job.json", "bulk/job/shards/000000.parquet"]
