"""Shards hold every object once, in the order in which they were named."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from bulk.progress import tallies, to_do, total
from bulk.shards import OBJECTS, cut, images_of, read_shard
from tests.bulk.conftest import Aws, photo


@given(sizes=st.lists(st.integers(0, 20), max_size=8), shard=st.integers(1, 9))
def test_tables_of_any_size_become_shards_of_one_size_without_loss(sizes: list[int], shard: int) -> None:
    keys = iter(range(1000))
    tables = [pa.table({"key": [str(next(keys)) for _ in range(size)]}) for size in sizes]
    cut_up = [it["key"].to_pylist() for it in cut(tables, shard)]
    assert [key for some in cut_up for key in some] == [str(number) for number in range(sum(sizes))]
    assert all(len(some) == shard for some in cut_up[:-1])
    assert all(cut_up)


def test_a_listed_bucket_is_in_the_shards_with_versions_and_etags(aws: Aws) -> None:
    versions = {f"{number:02}.jpg": aws.upload(f"{number:02}.jpg", photo("ball")) for number in range(5)}
    aws.upload("deleted.jpg", photo("ball"))
    aws.s3.delete_object(Bucket="photos", Key="deleted.jpg")
    job = aws.job(shard_images=2)
    assert (job.images, job.shards) == (5, 3)
    shards = [read_shard(aws.s3, "podium-results", job, shard) for shard in range(3)]
    assert {it.schema for it in shards} == {OBJECTS}
    images = [image for shard in shards for image in images_of(shard, "photos")]
    assert {image.key: image.version_id for image in images} == versions
    assert all(image.etag and image.size_bytes == 8 for image in images)


def test_progress_counts_results_and_what_is_left(aws: Aws) -> None:
    for number in range(5):
        aws.upload(f"{number}.jpg", photo("ball") if number else b"")
    job = aws.job(shard_images=2)
    aws.child(job).do(0)
    aws.child(job).do(2)
    found = tallies(aws.s3, "podium-results", job)
    assert total(found).model_dump() == {"shards": 2, "classified": 2, "rejected": 1, "failed": 0}
    assert to_do(job, found) == [1]
