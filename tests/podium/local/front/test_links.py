"""Presigned URLs, in the signature of today and in the older one that boto3 still makes in us-east-1."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.podium.local.front.doorway import HOST, Doorway

Json = Any

OLD, NEW = "s3-query", "s3v4"
KEYS = ["a.jpg", "incoming/trip/a b+c.jpg", "ü/é%20(1)&=?#~;.jpg"]


def link(doorway: Doorway, version: str, operation: str = "get_object", seconds: int = 60, **parameters: Json) -> str:
    parameters = {"Bucket": "photos", **({} if "list" in operation else {"Key": "a.jpg"}), **parameters}
    client = doorway.client("s3", signature_version=version)
    url: str = client.generate_presigned_url(operation, parameters, ExpiresIn=seconds)
    return url


@pytest.mark.parametrize("version", [OLD, NEW])
@pytest.mark.parametrize("key", KEYS)
def test_a_link_reads_its_object(version: str, key: str) -> None:
    doorway = Doorway()
    url = link(doorway, version, Key=key, ResponseContentDisposition='attachment; filename="x y+.jpg"')
    assert doorway.ask("GET", url)[0] == 200
    [(method, path, _)] = doorway.passed
    assert method == "GET"
    assert parse_qs(urlsplit(path).query)["response-content-disposition"] == ['attachment; filename="x y+.jpg"']


@pytest.mark.parametrize("version", [OLD, NEW])
def test_a_link_reads_an_object_s_head_and_lists_a_bucket(version: str) -> None:
    doorway = Doorway()
    assert doorway.ask("HEAD", link(doorway, version, "head_object"))[0] == 200
    assert doorway.ask("GET", link(doorway, version, "list_objects_v2", Prefix="incoming/a b/"))[0] == 200


@pytest.mark.parametrize("version", [OLD, NEW])
def test_a_link_takes_an_upload(version: str) -> None:
    doorway = Doorway()
    assert doorway.ask("PUT", link(doorway, version, "put_object"), body=b"a photo")[0] == 200
    url = link(doorway, version, "put_object", ContentType="image/jpeg", Metadata={"note": "x"})
    assert doorway.ask("PUT", url, {"content-type": "image/jpeg", "x-amz-meta-note": "x"}, b"a photo")[0] == 200
    assert [body for _, _, body in doorway.passed] == [b"a photo"] * 2


@pytest.mark.parametrize("version", [OLD, NEW])
def test_a_link_whose_time_is_up_says_so(version: str) -> None:
    doorway = Doorway()
    url = link(doorway, version, seconds=60)
    doorway.now = datetime.now(UTC) + timedelta(seconds=58)
    assert doorway.ask("GET", url)[0] == 200
    doorway.now += timedelta(seconds=4)
    status, _, body = doorway.ask("GET", url)
    assert status == 403
    assert b"<Code>AccessDenied</Code><Message>Request has expired</Message>" in body


@pytest.mark.parametrize("version", [OLD, NEW])
@pytest.mark.parametrize(
    ("method", "old", "new"),
    [
        ("GET", "/photos/a.jpg", "/photos/b.jpg"),
        ("PUT", "", ""),
        ("GET", "Expires=", "Expires=9"),
        ("GET", "?", "?versionId=1&"),
        ("GET", "?", "?acl&"),
        ("GET", "?", "?x-amz-acl=public-read&"),
    ],
)
def test_a_link_that_somebody_changed_is_refused(version: str, method: str, old: str, new: str) -> None:
    doorway = Doorway()
    url = link(doorway, version)
    status, _, body = doorway.ask(method, url.replace(old, new, 1))
    assert (status, doorway.passed) == (403, [])
    assert b"<Error><Code>" in body


@pytest.mark.parametrize("version", [OLD, NEW])
def test_a_link_of_another_stack_is_refused(version: str) -> None:
    doorway = Doorway()
    client = doorway.client("s3", secret="another", signature_version=version)
    url = client.generate_presigned_url("get_object", {"Bucket": "photos", "Key": "a.jpg"})
    status, _, body = doorway.ask("GET", url)
    assert (status, b"SignatureDoesNotMatch" in body, doorway.passed) == (403, True, [])


@pytest.mark.parametrize("version", [OLD, NEW])
def test_what_the_signature_does_not_cover_never_reaches_the_emulator(version: str) -> None:
    """Else a link to one photo would be a key to the whole account: the emulator takes the service from them."""
    doorway = Doorway()
    url = link(doorway, version, VersionId="v1")
    foreign = {
        "x-forwarded-host": "sqs.us-east-1.amazonaws.com",
        "cookie": "c",
        "range": "bytes=0-1",
        "soapaction": "x",
    }
    if version == OLD:
        url += "&Action=DeleteQueue&QueueUrl=x&X-Amz-Credential=test/1/us-east-1/iam/aws4_request"
        foreign["host"] = "sqs.us-east-1.amazonaws.com"
    assert doorway.ask("GET", url, foreign, b"Action=ListUsers&Version=2010-05-08")[0] == 200
    [scope] = doorway.scopes
    headers = {name.decode(): value.decode() for name, value in scope["headers"]}
    assert [it[:2] for it in doorway.passed] == [("GET", "/photos/a.jpg?versionId=v1")]
    assert headers.keys() == {"host", "range", "authorization"}
    assert headers["host"] == HOST
    assert "/us-east-1/s3/aws4_request" in headers["authorization"]


def test_headers_that_a_signer_moved_to_the_url_are_headers_again() -> None:
    doorway = Doorway()
    s3 = doorway.client("s3", signature_version=NEW)

    def move(request: Json, **_: Json) -> None:
        request.url += "?X-Amz-Meta-Note=a%20b"

    s3.meta.events.register("before-sign.s3.PutObject", move)
    url = s3.generate_presigned_url("put_object", {"Bucket": "photos", "Key": "a.jpg", "ContentType": "image/jpeg"})
    headers = {"content-type": "image/jpeg", "content-encoding": "gzip"}
    assert doorway.ask("PUT", url, headers, b"a photo")[0] == 200
    [scope] = doorway.scopes
    seen = {name.decode(): value.decode() for name, value in scope["headers"]}
    assert seen.items() >= {**headers, "x-amz-meta-note": "a b"}.items()


@pytest.mark.parametrize(
    "query",
    [
        "X-Amz-Algorithm=AWS4-HMAC-SHA256",
        "X-Amz-Algorithm=AWS4-ECDSA-P256-SHA256&X-Amz-Signature=x",
        "x-amz-algorithm=AWS4-HMAC-SHA256",
        "AWSAccessKeyId=000000000000",
        "AWSAccessKeyId=000000000000&Expires=soon&Signature=x",
        "AWSAccessKeyId=000000000000&Expires=²&Signature=x",
        "AWSAccessKeyId=000000000000&Expires=99999999999&Signature=é",
        "AWSAccessKeyId=test&Expires=99999999999&Signature=x",
        "Signature=x",
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=000000000000/20260101/us-east-1/sts/aws4_request"
        "&X-Amz-Date=20260101T000000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=x",
    ],
)
def test_half_a_link_is_refused(query: str) -> None:
    doorway = Doorway()
    status, _, body = doorway.ask("GET", f"https://{HOST}/photos/a.jpg?{query}")
    assert (status in {400, 403}, b"<Error><Code>" in body, doorway.passed) == (True, True, [])


@pytest.mark.parametrize("expires", ["-1", "604801", "x", "", "1e3"])
def test_the_time_of_a_link_is_up_to_a_week(expires: str) -> None:
    doorway = Doorway()
    status, _, body = doorway.ask("GET", link(doorway, NEW).replace("X-Amz-Expires=60", f"X-Amz-Expires={expires}"))
    assert (status, b"AuthorizationQueryParametersError" in body, doorway.passed) == (400, True, [])


def test_a_link_of_the_future_is_not_yet_valid() -> None:
    doorway = Doorway(now=datetime.now(UTC) - timedelta(hours=1))
    assert b"Request is not yet valid" in doorway.ask("GET", link(doorway, NEW))[2]
