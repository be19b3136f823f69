"""A child brings its shard to its result, whatever is in the shard, and whenever the child dies."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import count
from typing import Any

import pytest
from botocore.exceptions import ClientError

from bulk.child import Child
from bulk.job import BulkRefused, Job
from bulk.shards import read_table
from pipeline.errors import Answer, ModelUnavailable
from tests.bulk.conftest import BROKEN, RESULTS, Aws, answers, photo

Line = dict[str, Any]


def lines_of(aws: Aws, job: Job) -> list[Line]:
    """All results, in the order of shards."""
    return [it for shard in range(job.shards) for it in read_table(aws.s3, RESULTS, job.result_key(shard)).to_pylist()]


def ten_images(aws: Aws, images: int = 10) -> list[str]:
    """Their keys; of each third the photo is none."""
    keys = [f"a/{number} é+&.jpg" for number in range(images)]
    for number, key in enumerate(keys):
        aws.upload(key, BROKEN if number % 3 == 2 else photo(f"ball {number}"))
    return keys


def test_every_image_ends_in_a_stated_state(aws: Aws) -> None:
    version = aws.upload("good.jpg", photo("golf ball"))
    aws.upload("broken.jpg", BROKEN)
    aws.upload("empty.jpg", b"")
    aws.upload("folder/", b"")
    aws.upload("large.jpg", photo("x" * 1000))
    aws.upload("text.txt", b"no photo, a text")
    gone = aws.upload("gone.jpg", photo("golf ball"))
    job = aws.job()
    aws.s3.delete_object(Bucket=job.bucket, Key="gone.jpg", VersionId=gone)

    assert aws.child(job).do(0) == {"classified": 1, "rejected": 6}

    found = {it["key"]: it for it in lines_of(aws, job)}
    assert {key: it["rejected_code"] for key, it in found.items()} == {
        "good.jpg": None,
        "broken.jpg": "unreadable",
        "empty.jpg": "empty",
        "folder/": "folder_marker",
        "large.jpg": "too_large",
        "text.txt": "unsupported_format",
        "gone.jpg": "gone",
    }
    good = found["good.jpg"]
    assert good["version_id"] == version
    assert (good["label"], good["probability"]) == ("golf ball", 0.9)
    assert good["top3"] == [{"label": "golf ball", "probability": 0.9}, {"label": "another", "probability": 0.1}]
    assert (good["model"], good["model_sha256"], good["engine"]) == ("balls@1.0", "a" * 64, "openvino-int8")
    assert all(it["rejected_reason"] for key, it in found.items() if key != "good.jpg")


def test_an_image_that_was_overwritten_after_it_was_listed_is_classified_in_the_version_that_was_listed(
    aws: Aws,
) -> None:
    aws.upload("a.jpg", photo("old"))
    job = aws.job()
    aws.upload("a.jpg", photo("new"))
    aws.child(job).do(0)
    assert [it["label"] for it in lines_of(aws, job)] == ["old"]


class Killed(BaseException):
    """The process ends here."""


class Mortal:
    """A client with which the process dies at one of its requests, before or after it had its effect."""

    def __init__(self, client: Any, dies_at: Callable[[], bool], *, after: bool) -> None:  # noqa: ANN401
        self._client, self._dies_at, self._after = client, dies_at, after

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        found = getattr(self._client, name)
        if name in ("exceptions", "get_paginator"):
            return found

        def request(**arguments: Any) -> Any:  # noqa: ANN401
            dies = self._dies_at()
            if dies and not self._after:
                raise Killed
            try:
                return found(**arguments)
            finally:
                if dies:
                    raise Killed

        return request


def deaths(after: bool) -> Iterator[tuple[int, Callable[[Child], Child]]]:
    """A death at the first request, at the second, and so on; each dies once."""
    for at in count():
        requests = count()

        def dying(child: Child, at: int = at, requests: Iterator[int] = requests) -> Child:
            def dies() -> bool:
                return next(requests) == at

            s3, dynamodb = (Mortal(it, dies, after=after) for it in (child.s3, child.dynamodb))
            return Child(s3, dynamodb, child.results_bucket, child.job, child.ask)  # type: ignore[arg-type]

        yield at, dying


@pytest.mark.parametrize("after", [False, True], ids=["before its effect", "after its effect"])
def test_a_child_that_dies_at_any_request_and_is_started_again_loses_nothing_and_doubles_nothing(
    aws: Aws, after: bool
) -> None:
    keys = ten_images(aws, 5)
    expected = {key: None if number % 3 == 2 else f"ball {number}" for number, key in enumerate(keys)}
    died = True
    for at, dying in deaths(after):
        clear(aws)
        job = aws.job(rows=True, shard_images=10, part_images=3)
        died = False
        try:
            dying(aws.child(job)).do(0)
        except Killed:
            died = True
            aws.child(job).do(0)
        found = [(it["key"], it["label"]) for it in lines_of(aws, job)]
        assert sorted(found) == sorted(expected.items()), f"died at request {at}"
        assert sorted(row["image"] for row in aws.rows()) == sorted(f"s3://photos/{key}" for key in keys)
        assert {it["row"] for it in lines_of(aws, job)} == {"stored"}
        assert not [it for it in listed(aws) if "/parts/" in it]
        if not died:
            break
    assert at >= 20, "the requests of a shard of five images with rows"


def clear(aws: Aws) -> None:
    """Nothing of the job, and no row."""
    for key in listed(aws):
        aws.s3.delete_object(Bucket=RESULTS, Key=key)
    for row in aws.rows():
        aws.dynamodb.delete_item(
            TableName="podium-results", Key={"image": {"S": row["image"]}, "model": {"S": row["model"]}}
        )


def listed(aws: Aws) -> list[str]:
    return [it["Key"] for it in aws.s3.list_objects_v2(Bucket=RESULTS).get("Contents", [])]


def test_a_part_that_is_done_is_not_classified_again(aws: Aws) -> None:
    ten_images(aws)
    job = aws.job(shard_images=10, part_images=4)
    asked: list[int] = []

    def ask(images: Sequence[bytes], *, budget_s: float) -> list[Answer]:
        asked.append(len(images))
        if len(asked) == 3:
            raise Killed
        return answers(images, budget_s=budget_s)

    child = Child(aws.s3, aws.dynamodb, RESULTS, job, ask)
    with suppress(Killed):
        child.do(0)
    child.do(0)
    assert asked == [4, 4, 2, 2]
    assert child.do(0) == {"classified": 7, "rejected": 3}
    assert asked == [4, 4, 2, 2], "a shard with a result is done"


def test_two_children_of_one_shard_make_one_result(aws: Aws) -> None:
    keys = ten_images(aws)
    job = aws.job(shard_images=10, part_images=4)
    other = aws.child(job)
    at = count()

    def ask(images: Sequence[bytes], *, budget_s: float) -> list[Answer]:
        if next(at) == 1:
            other.do(0)  # the whole shard, and it clears the parts
        return answers(images, budget_s=budget_s)

    child = Child(aws.s3, aws.dynamodb, RESULTS, job, ask)
    with suppress(RuntimeError):
        child.do(0)
    child.do(0)
    assert sorted(it["key"] for it in lines_of(aws, job)) == sorted(keys)


class Refusing:
    """An S3 that refuses some keys, as long as it does."""

    def __init__(self, client: Any, keys: Sequence[str]) -> None:  # noqa: ANN401
        self._client, self.keys = client, list(keys)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._client, name)

    def get_object(self, **arguments: Any) -> Any:  # noqa: ANN401
        if arguments["Key"] in self.keys:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetObject")
        return self._client.get_object(**arguments)


def test_an_image_that_s3_refuses_fails_with_its_reason_and_is_done_when_the_job_is_done_again(aws: Aws) -> None:
    keys = ten_images(aws)
    job = aws.job(shard_images=10, part_images=4, rows=True)
    s3 = Refusing(aws.s3, [keys[3]])
    child = Child(s3, aws.dynamodb, RESULTS, job, answers)  # type: ignore[arg-type]

    assert child.do(0) == {"classified": 6, "rejected": 3, "failed": 1}
    failed = lines_of(aws, job)[3]
    assert (failed["key"], failed["status"]) == (keys[3], "failed")
    assert "AccessDenied" in failed["failed_reason"]
    assert len(aws.rows()) == 9

    assert child.do(0) == {"classified": 6, "rejected": 3, "failed": 1}, "it still refuses"
    s3.keys = []
    assert child.do(0) == {"classified": 7, "rejected": 3}
    assert [it["key"] for it in lines_of(aws, job)] == keys
    assert len(aws.rows()) == 10


def test_a_job_of_which_s3_hands_over_nothing_is_refused_before_a_billion_requests_are_paid_for(aws: Aws) -> None:
    keys = ten_images(aws)
    job = aws.job(shard_images=5, part_images=4)
    child = Child(Refusing(aws.s3, keys), aws.dynamodb, RESULTS, job, answers)  # type: ignore[arg-type]
    with pytest.raises(BulkRefused, match=r"none of 4 images.*AccessDenied"):
        child.do(0)
    assert not [it for it in listed(aws) if "/results/" in it or "/parts/" in it]


def test_a_folder_that_s3_refuses_does_not_hold_up_a_job_that_goes_well(aws: Aws) -> None:
    keys = ten_images(aws)
    job = aws.job(shard_images=5, part_images=5)
    child = Child(Refusing(aws.s3, keys[5:]), aws.dynamodb, RESULTS, job, answers)  # type: ignore[arg-type]
    child.do(0)
    assert child.do(1) == {"failed": 5}


def test_a_model_that_cannot_answer_ends_the_child_and_leaves_no_image_in_a_wrong_state(aws: Aws) -> None:
    ten_images(aws)
    job = aws.job(shard_images=10)

    def ask(images: Sequence[bytes], *, budget_s: float) -> list[Answer]:
        return [ModelUnavailable("no reader") for _ in images]

    with pytest.raises(ModelUnavailable, match="no reader"):
        Child(aws.s3, aws.dynamodb, RESULTS, job, ask).do(0)
    assert not [it for it in listed(aws) if "/results/" in it or "/parts/" in it]
