"""The uploads in a bucket, whatever their keys are made of: as S3 lists them, and as a store does that encodes no names."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, quote_plus, urlsplit
from xml.sax.saxutils import escape

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ClientError, PaginationError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from urllib3 import HTTPResponse

from pipeline.uploads import ListedUpload, pages_of_uploads, versions_of
from tests.functions.conftest import INPUT, Aws
from tests.functions.hostile.keys import KEYS
from tests.functions.test_hostile_messages import ANY_KEY

ODD = "incoming/\x01.jpg"  # XML has no way to write it


def listed(s3: Any, *, size: int | None = None, after: str | None = None) -> list[ListedUpload]:  # noqa: ANN401 (any client)
    """All uploads under incoming/, the pages of so many entries."""

    def small(params: dict[str, Any], **_: object) -> dict[str, Any]:
        return params | ({} if size is None else {"MaxKeys": size})

    operations = ("ListObjectVersions", "ListObjectsV2")
    for operation in operations:
        s3.meta.events.register(f"provide-client-params.s3.{operation}", small, unique_id="small")
    try:
        return [it for page in pages_of_uploads(s3, INPUT, "incoming/", after) for it in page.uploads]
    finally:
        for operation in operations:
            s3.meta.events.unregister(f"provide-client-params.s3.{operation}", unique_id="small")


def in_order(keys: list[str]) -> list[str]:
    """As S3 lists them: by the bytes of their UTF-8, which Python's order of characters is, too."""
    return sorted(keys)


@pytest.mark.parametrize("size", [None, 1, 3])
def test_every_hostile_key_is_listed_once_in_pages_of_any_size(aws: Aws, size: int | None) -> None:
    """The store of these tests encodes no names in a list of versions: a key with a control character breaks its page."""
    images = {(image.key, image.etag) for image in map(aws.upload, KEYS)}
    assert [it.image.key for it in listed(aws.s3, size=size)] == in_order([key for key, _ in images])
    assert {(it.image.key, it.image.etag) for it in listed(aws.s3, size=size)} == images


@given(st.lists(ANY_KEY, min_size=1, max_size=5, unique=True), st.integers(1, 3))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_keys_are_listed_once(aws: Aws, keys: list[str], size: int) -> None:
    for found in aws.s3.list_objects_v2(Bucket=INPUT).get("Contents", []):
        aws.s3.delete_object(Bucket=INPUT, Key=found["Key"])  # a delete marker: its versions are still listed
    for key in keys:
        aws.upload(key)
    assert [it.image.key for it in listed(aws.s3, size=size)] == in_order(keys)


def test_what_was_deleted_or_overwritten_is_listed_as_it_is_now(aws: Aws) -> None:
    aws.upload("incoming/a.jpg", b"first")
    last, deleted = aws.upload("incoming/a.jpg", b"second"), aws.upload("incoming/b.jpg")
    aws.s3.delete_object(Bucket=INPUT, Key=deleted.key)
    [only] = listed(aws.s3)
    assert only.image == last.model_copy(update={"sequencer": ""})
    aws.upload(ODD)
    [odd, same] = listed(aws.s3)
    assert (odd.image.key, same.image.etag, same.image.version_id) == (ODD, last.etag, None)


def test_a_deleted_key_that_the_list_cannot_hold_hides_nothing(aws: Aws) -> None:
    """The list of objects does not name it, and the list of versions breaks on it."""
    aws.upload(ODD)
    aws.s3.delete_object(Bucket=INPUT, Key=ODD)
    others = [aws.upload(f"incoming/{name}.jpg").key for name in "abc"]
    assert [it.image.key for it in listed(aws.s3, size=1)] == others
    assert [it.image.key for it in listed(aws.s3, after="incoming/a.jpg")] == others[1:]


def test_a_line_feed_is_none_of_the_letters_that_break_a_page(aws: Aws) -> None:
    lines = aws.upload("incoming/two\nlines.jpg")
    [only] = listed(aws.s3)
    assert (only.image.key, only.image.version_id) == (lines.key, lines.version_id)
    returned = aws.upload("incoming/two\rlines.jpg", b"other")
    assert {(it.image.key, it.image.etag) for it in listed(aws.s3)} == {(it.key, it.etag) for it in (lines, returned)}


@contextmanager
def s3_that_answers(answer: Callable[[str, dict[str, list[str]]], tuple[int, str]]) -> Iterator[Any]:
    """A client whose requests (operation, query) get this answer (status, XML) instead of going out."""
    s3 = boto3.client("s3", region_name="us-east-1", aws_access_key_id="testing", aws_secret_access_key="testing")

    def respond(request: AWSPreparedRequest, **_: object) -> AWSResponse:
        query = parse_qs(urlsplit(request.url).query, keep_blank_values=True)
        status, body = answer("ListObjectVersions" if "versions" in query else "ListObjectsV2", query)
        raw = HTTPResponse(io.BytesIO(body.encode()), preload_content=False)
        return AWSResponse(request.url, status, HTTPHeaders(), raw)

    events: Any = s3.meta.events
    events.register_first("before-send.s3", respond)
    yield s3


def test_s3_is_asked_to_encode_the_names_and_they_are_decoded_with_the_markers() -> None:
    """The shape of S3's answer to encoding-type=url, whose spaces are plus signs."""
    keys = sorted(KEYS)

    def answer(operation: str, query: dict[str, list[str]]) -> tuple[int, str]:
        assert (operation, query["encoding-type"]) == ("ListObjectVersions", ["url"])
        assert ("key-marker" in query) == ("version-id-marker" in query)
        nth = keys.index(query["key-marker"][0]) + 1 if "key-marker" in query else 0
        key = escape(quote_plus(keys[nth], safe="/"))
        more = f"<NextKeyMarker>{key}</NextKeyMarker><NextVersionIdMarker>v{nth}</NextVersionIdMarker>"
        return 200, (
            '<?xml version="1.0" encoding="UTF-8"?><ListVersionsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<EncodingType>url</EncodingType><IsTruncated>{str(nth < len(keys) - 1).lower()}</IsTruncated>"
            f"{more if nth < len(keys) - 1 else ''}<Version><Key>{key}</Key><VersionId>v{nth}</VersionId>"
            '<IsLatest>true</IsLatest><LastModified>2026-11-21T12:00:00.000Z</LastModified><ETag>"e"</ETag><Size>9</Size>'
            "</Version></ListVersionsResult>"
        )

    with s3_that_answers(answer) as s3:
        uploads = listed(s3)
    assert [(it.image.key, it.image.version_id) for it in uploads] == [(key, f"v{n}") for n, key in enumerate(keys)]


@pytest.mark.parametrize("operation", ["ListObjectVersions", "both"])
def test_a_store_that_lists_nothing_is_an_error_and_no_endless_loop(operation: str) -> None:
    asked: list[str] = []

    def answer(asked_for: str, _: dict[str, list[str]]) -> tuple[int, str]:
        asked.append(asked_for)
        if asked_for == "ListObjectVersions" and operation == "both":
            return 500, "Internal Server Error"
        return 403, "<Error><Code>AccessDenied</Code><Message>no</Message></Error>"

    with s3_that_answers(answer) as s3, pytest.raises(ClientError, match="AccessDenied"):
        listed(s3)
    assert set(asked) == ({"ListObjectVersions", "ListObjectsV2"} if operation == "both" else {"ListObjectVersions"})


def test_a_store_whose_list_does_not_go_on_is_an_error_and_no_endless_loop() -> None:
    def answer(_: str, __: dict[str, list[str]]) -> tuple[int, str]:
        return 200, (
            "<ListVersionsResult><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>"
            "<NextKeyMarker>incoming/a</NextKeyMarker><NextVersionIdMarker>v</NextVersionIdMarker></ListVersionsResult>"
        )

    with s3_that_answers(answer) as s3, pytest.raises(PaginationError, match="does not go on after 'incoming/a'"):
        listed(s3)


def test_the_versions_of_an_object_are_those_of_its_very_key_and_the_newest_beside_an_odd_one(aws: Aws) -> None:
    first, second, _ = (aws.upload(key) for key in ("incoming/a", "incoming/a", "incoming/ab"))
    ids = [it["VersionId"] for it in versions_of(aws.s3, INPUT, "incoming/a")]
    assert ids == [second.version_id, first.version_id]
    aws.upload("incoming/a\x01")
    assert [it["VersionId"] for it in versions_of(aws.s3, INPUT, "incoming/a")] == [second.version_id]
    assert versions_of(aws.s3, INPUT, "incoming/a\x01") == []
