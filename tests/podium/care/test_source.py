"""Which bucket a backfill may read, and which keys of it a file names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from botocore.stub import Stubber
from hypothesis import given
from hypothesis import strategies as st

from podium.care.source import Source, keys_in, source_at, upload_keys
from podium.connection import Connection
from podium.errors import EXIT_USAGE, ConsoleError
from tests.podium.conftest import INPUT

JOB = "backfill-20261121-120000"
PHOTOS = Source(bucket="my-photos", prefix="photos/")


@contextmanager
def stack_that_may_read(connection: Connection, bucket: str) -> Iterator[None]:
    with Stubber(connection.cloudformation) as stub:
        stack = {
            "StackName": "podium",
            "CreationTime": datetime(2026, 1, 1, tzinfo=UTC),
            "StackStatus": "CREATE_COMPLETE",
        }
        parameters = [{"ParameterKey": "ExistingBucket", "ParameterValue": bucket}]
        stub.add_response("describe_stacks", {"Stacks": [{**stack, "Parameters": parameters}]}, {"StackName": "podium"})
        yield


def test_a_byte_order_mark_is_no_part_of_the_first_key(connection: Connection, tmp_path: Path) -> None:
    file = tmp_path / "keys.txt"
    for text in ("photos/1.jpg\r\nphotos/2.jpg", '{"Key": "photos/1.jpg"}\n{"Key": "photos/2.jpg"}'):
        file.write_text(text, encoding="utf-8-sig")
        key, count = upload_keys(connection, file, PHOTOS, JOB)
        assert count == 2
        lines = connection.s3.get_object(Bucket="podium-results", Key=key)["Body"].read().splitlines()
        assert [json.loads(line)["Key"] for line in lines] == ["photos/1.jpg", "photos/2.jpg"]


def test_without_a_prefix_the_whole_of_the_input_buckets_incoming_is_meant(connection: Connection) -> None:
    for location in (f"s3://{INPUT}", f"s3://{INPUT}/", f"s3://{INPUT}/incoming/"):
        assert source_at(connection, location) == Source(bucket=INPUT, prefix="incoming/")


def test_a_folder_of_the_input_bucket_is_meant_as_it_is(connection: Connection) -> None:
    assert source_at(connection, f"s3://{INPUT}/incoming/été & 100%/").prefix == "incoming/été & 100%/"


@pytest.mark.parametrize("prefix", ["results/", "incoming", "Incoming/monday"])
def test_outside_incoming_nothing_of_the_input_bucket_is_classified(connection: Connection, prefix: str) -> None:
    with pytest.raises(ConsoleError, match="does not lie there") as refused:
        source_at(connection, f"s3://{INPUT}/{prefix}")
    assert refused.value.exit_code == EXIT_USAGE


@pytest.mark.parametrize(
    "location",
    [
        "my-photos/photos",
        "s3://",
        "https://my-photos.s3.amazonaws.com/",
        f"s3://{INPUT}/incoming/\udce9",
        f"s3://b/{'a' * 1025}",
    ],
)
def test_what_is_no_place_in_s3_is_refused(connection: Connection, location: str) -> None:
    with pytest.raises(ConsoleError, match="no place in S3"):
        source_at(connection, location)


def test_the_bucket_that_the_stack_may_read_is_meant_with_any_prefix(connection: Connection) -> None:
    with stack_that_may_read(connection, "my-photos"):
        assert source_at(connection, "s3://my-photos") == Source(bucket="my-photos", prefix="")


@pytest.mark.parametrize("allowed", ["", "my-photos"])
def test_another_bucket_is_refused_with_the_command_that_allows_it(connection: Connection, allowed: str) -> None:
    with (
        stack_that_may_read(connection, allowed),
        pytest.raises(ConsoleError, match="deploy --stack podium --parameter ExistingBucket=other`"),
    ):
        source_at(connection, "s3://other/photos/")


@pytest.mark.parametrize(
    "lines",
    [
        "photos/1.jpg\nphotos/été & 100%.jpg\r\n\nphotos/1.jpg\n",
        "s3://my-photos/photos/1.jpg\ns3://my-photos/photos/été & 100%.jpg",
        '{"Key": "photos/1.jpg"}\n{"key": "photos/\\u00e9t\\u00e9 & 100%.jpg", "Size": 7}\n',
    ],
)
def test_a_manifest_is_uploaded_as_the_machine_reads_it_each_key_once(
    connection: Connection, tmp_path: Path, lines: str
) -> None:
    file = tmp_path / "keys.txt"
    file.write_text(lines, encoding="utf-8")
    assert upload_keys(connection, file, PHOTOS, JOB) == (f"batches/{JOB}/input.jsonl", 2)
    uploaded = connection.s3.get_object(Bucket="podium-results", Key=f"batches/{JOB}/input.jsonl")["Body"].read()
    keys = ["photos/1.jpg", "photos/été & 100%.jpg"]
    assert [json.loads(line) for line in uploaded.splitlines()] == [{"Key": key} for key in keys]


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ("photos/1.jpg\nother/2.jpg", "line 2 of the manifest, 'other/2.jpg', names no key"),
        ("s3://other/photos/1.jpg", "names no key under s3://my-photos/photos/"),
        ('{"Key": "photos/1.jpg"}\nphotos/2.jpg', "line 2"),
        ('{"Key": 7}', "line 1"),
        (
            '{"Key": "photos/1.jpg", "Key": "photos/2.jpg"}',
            "line 1 of the manifest, .* has a name twice: keep one of them",
        ),
        ('{"Key": "photos/1.jpg", "more": {"a": 1, "a": 2}}', "line 1 of the manifest, .* has a name twice"),
        ('{"Key": ' + "[" * 100_000, "line 1 of the manifest, .* names no key"),
        ("\n \n", "names no image"),
        ("photos/\udce9.jpg", "cannot be read"),
        ('{"Key": "photos/\\ud800.jpg"}', r"line 1 .* names no key: .* is no text, and keys of S3 are UTF-8"),
        (f"photos/1.jpg\nphotos/{'a' * 1018}", "line 2 .* names no key: a key has at most 1024 bytes, and it has 1025"),
    ],
)
def test_a_manifest_that_cannot_be_is_refused_before_anything_is_uploaded(
    connection: Connection, tmp_path: Path, lines: str, sentence: str
) -> None:
    file = tmp_path / "keys.txt"
    file.write_bytes(lines.encode("utf-8", "surrogateescape"))
    with pytest.raises(ConsoleError, match=sentence):
        upload_keys(connection, file, PHOTOS, JOB)
    assert connection.s3.list_objects_v2(Bucket="podium-results")["KeyCount"] == 0


def test_a_manifest_that_is_not_there_is_named(connection: Connection, tmp_path: Path) -> None:
    with pytest.raises(ConsoleError, match=r"keys\.txt cannot be read"):
        upload_keys(connection, tmp_path / "keys.txt", PHOTOS, JOB)


@given(st.lists(st.text(st.characters(exclude_categories=("Cs", "Zl", "Zp")), min_size=1, max_size=200)))
def test_keys_of_any_letters_come_through_json_and_keep_their_order(names: list[str]) -> None:
    lines = [json.dumps({"Key": f"photos/{name}"}) for name in names]
    assert list(keys_in(lines, PHOTOS)) == list(dict.fromkeys(f"photos/{name}" for name in names))
