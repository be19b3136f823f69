"""What a batch expects, in parts that add up."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from pydantic import ValidationError

from pipeline.batches.manifests import READ_AT_ONCE, expected_images, part_keys, read_parts, revision_of, write_part
from pipeline.contracts import ExpectedImage, ManifestPart
from tests.functions.conftest import RESULTS, Aws
from tests.functions.factories import NOON


def part(*names: str, batch: str = "monday", at: datetime = NOON, version: str = "v1") -> ManifestPart:
    images = tuple(ExpectedImage(image=f"s3://b/{name}", version_id=version) for name in names)
    return ManifestPart(batch=batch, images=images, created_at=at)


def test_parts_add_up_and_are_read_as_they_were_written(aws: Aws) -> None:
    parts = [part("été & 100%.jpg"), part("b", "c")]
    keys = [write_part(aws.s3, RESULTS, it) for it in parts]
    assert part_keys(aws.s3, RESULTS, "monday") == sorted(keys)
    assert list(read_parts(aws.s3, RESULTS, keys)) == parts


def test_a_part_that_is_written_twice_is_one_part(aws: Aws) -> None:
    first, again = [write_part(aws.s3, RESULTS, part("a", at=NOON + timedelta(n))) for n in range(2)]
    assert first == again
    assert part_keys(aws.s3, RESULTS, "monday") == [first]


def test_more_parts_than_are_read_at_once_come_in_their_order(aws: Aws) -> None:
    names = [f"{number:03d}" for number in range(2 * READ_AT_ONCE + 3)]
    keys = [write_part(aws.s3, RESULTS, part(name)) for name in names]
    images = [it.images[0].image for it in read_parts(aws.s3, RESULTS, keys)]
    assert images == [f"s3://b/{name}" for name in names]


def test_a_part_that_is_none_is_an_error(aws: Aws) -> None:
    aws.s3.put_object(Bucket=RESULTS, Key="batches/monday/manifest/x.json", Body=b"[]")
    with pytest.raises(ValidationError):
        list(read_parts(aws.s3, RESULTS, part_keys(aws.s3, RESULTS, "monday")))


def test_a_batch_whose_name_begins_alike_has_its_own_parts(aws: Aws) -> None:
    write_part(aws.s3, RESULTS, part("a"))
    write_part(aws.s3, RESULTS, part("a", batch="monday-2"))
    assert len(part_keys(aws.s3, RESULTS, "monday")) == 1


def test_the_part_that_was_made_last_says_which_upload_of_an_image_is_meant() -> None:
    late, early = part("a", at=NOON + timedelta(1), version="v2"), part("a", "b")
    images = expected_images([late, early])
    assert {name: it.version_id for name, it in images.items()} == {"s3://b/a": "v2", "s3://b/b": "v1"}


def test_the_revision_is_of_all_parts_in_whatever_order_and_changes_with_each() -> None:
    assert revision_of(["a", "b"]) == revision_of(["b", "a"]) != revision_of(["a"])
