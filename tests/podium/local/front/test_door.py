"""What passes the door of the embedded AWS, and what boto3 makes of its refusals."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore import UNSIGNED
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

from podium.local.front.bodies import Message
from podium.local.front.door import Door
from tests.podium.local.front.doorway import HOST, KEY, SECRET, Doorway

Json = Any
Call = Callable[[Json], Json]

KEYS = ["a.jpg", "incoming/trip/a b+c.jpg", "ü/é%20(1)&=?#~.jpg", "a//b/../c;d.jpg"]
CALLS: list[tuple[str, Call]] = [
    ("dynamodb", lambda client: client.list_tables()),
    ("sqs", lambda client: client.list_queues()),
    ("lambda", lambda client: client.invoke(FunctionName="podium-classify", Payload=b"{}")),
    ("lambda", lambda client: client.list_functions()),
    ("iam", lambda client: client.list_roles()),
    ("sts", lambda client: client.get_caller_identity()),
    ("cloudformation", lambda client: client.describe_stacks(StackName="podium")),
    ("cloudwatch", lambda client: client.list_metrics()),
    ("stepfunctions", lambda client: client.list_state_machines()),
    ("sns", lambda client: client.list_topics()),
    ("events", lambda client: client.list_rules()),
    ("logs", lambda client: client.describe_log_groups()),
]
S3_CALLS: list[Call] = [
    lambda s3: s3.list_buckets(),
    lambda s3: s3.list_objects_v2(Bucket="photos", Prefix="incoming/a b+ü/", StartAfter="x&y=z"),
    lambda s3: s3.get_object(Bucket="photos", Key="a.jpg", IfNoneMatch='"e"', VersionId="v+1/="),
    lambda s3: s3.delete_objects(Bucket="photos", Delete={"Objects": [{"Key": "a"}]}),
    lambda s3: s3.copy_object(Bucket="photos", Key="b", CopySource={"Bucket": "photos", "Key": "ü b"}),
    lambda s3: s3.put_object_tagging(Bucket="photos", Key="b", Tagging={"TagSet": [{"Key": "a  b", "Value": " c"}]}),
]


def code_of(call: Callable[[], Json]) -> str:
    with pytest.raises(ClientError) as refused:
        call()
    error = refused.value.response
    assert error["ResponseMetadata"]["HTTPStatusCode"] in {400, 403}
    return str(error["Error"]["Code"])


@pytest.mark.parametrize("key", KEYS)
def test_an_upload_passes_with_its_bytes(key: str) -> None:
    doorway = Doorway()
    doorway.client("s3").put_object(Bucket="photos", Key=key, Body=b"a photo", Metadata={"note": "two  spaces"})
    [(method, path, body)] = doorway.passed
    assert (method, body.count(b"a photo")) == ("PUT", 1)
    assert path.startswith("/photos/")


@pytest.mark.parametrize("checksums", ["when_supported", "when_required"])
@pytest.mark.parametrize("sign_payload", [None, True, False])
def test_uploads_pass_however_their_bodies_are_signed(checksums: str, sign_payload: bool | None) -> None:
    doorway = Doorway()
    s3 = doorway.client("s3", request_checksum_calculation=checksums, s3={"payload_signing_enabled": sign_payload})
    s3.put_object(Bucket="photos", Key="a.jpg", Body=io.BytesIO(b"a photo" * 1000))
    s3.upload_part(Bucket="photos", Key="a.jpg", PartNumber=1, UploadId="u", Body=b"a photo" * 1000)
    assert [body.count(b"a photo") for _, _, body in doorway.passed] == [1000, 1000]


@pytest.mark.parametrize("call", S3_CALLS)
def test_s3_s_requests_pass(call: Call) -> None:
    doorway = Doorway()
    call(doorway.client("s3"))
    assert len(doorway.passed) == 1


@pytest.mark.parametrize(("service", "call"), CALLS)
def test_requests_of_every_service_pass_with_the_secret_of_this_stack(service: str, call: Call) -> None:
    doorway = Doorway()
    with suppress(ResponseParserError):  # the emulator here has no words to say
        call(doorway.client(service))
    assert len(doorway.passed) == 1


@pytest.mark.parametrize(("service", "call"), [*CALLS, *(("s3", call) for call in S3_CALLS)])
def test_a_wrong_secret_is_refused_in_the_words_of_each_service(service: str, call: Call) -> None:
    doorway = Doorway()
    assert code_of(lambda: call(doorway.client(service, secret="local"))) == "SignatureDoesNotMatch"
    assert not doorway.passed


@pytest.mark.parametrize(("service", "call"), [*CALLS, *(("s3", call) for call in S3_CALLS)])
@pytest.mark.parametrize("key", ["test", "111111111111", "AKIAIOSFODNN7EXAMPLE"])
def test_a_key_that_the_emulator_would_take_for_root_is_refused(service: str, call: Call, key: str) -> None:
    doorway = Doorway()
    expected = "InvalidAccessKeyId" if service == "s3" else "InvalidClientTokenId"
    assert code_of(lambda: call(doorway.client(service, secret="test", key=key))) == expected
    assert not doorway.passed


@pytest.mark.parametrize(("service", "call"), [*CALLS, *(("s3", call) for call in S3_CALLS)])
def test_what_is_not_signed_is_refused(service: str, call: Call) -> None:
    doorway = Doorway()
    expected = "AccessDenied" if service == "s3" else "MissingAuthenticationToken"
    assert code_of(lambda: call(doorway.client(service, signature_version=UNSIGNED))) == expected
    assert not doorway.passed


@pytest.mark.parametrize("minutes", [-16, 16])
def test_a_clock_that_is_a_quarter_of_an_hour_off_is_refused(minutes: int) -> None:
    doorway = Doorway(now=datetime.now(UTC) + timedelta(minutes=minutes))
    assert code_of(doorway.client("s3").list_buckets) == "RequestTimeTooSkewed"
    assert code_of(doorway.client("dynamodb").list_tables) == "RequestTimeTooSkewed"
    assert not doorway.passed


@pytest.mark.parametrize(
    "path", ["/_ministack/reset", "/_ministack/health", "/_localstack/health", "/_%6dinistack/reset"]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_emulator_s_own_pages_are_closed_also_to_a_signed_request(path: str, method: str) -> None:
    doorway = Doorway()
    status, _, body = doorway.ask(method, f"https://{HOST}{path}", signed_headers(method, path))
    assert (status, b"AccessDenied" in body, doorway.passed) == (403, True, [])


def test_a_request_with_two_signatures_is_refused() -> None:
    doorway = Doorway()
    link = doorway.client("s3").generate_presigned_url("get_object", {"Bucket": "photos", "Key": "a.jpg"})
    status, _, body = doorway.ask("GET", link, {"authorization": "AWS4-HMAC-SHA256 Credential=x"})
    assert (status, b"Only one auth mechanism" in body, doorway.passed) == (400, True, [])


def test_a_body_that_is_not_the_signed_one_is_refused() -> None:
    doorway = Doorway()
    headers = signed_headers("PUT", "/photos/a.jpg", b"a photo")
    assert doorway.ask("PUT", f"https://{HOST}/photos/a.jpg", headers, b"a photo")[0] == 200
    status, _, body = doorway.ask("PUT", f"https://{HOST}/photos/a.jpg", headers, b"another")
    assert (status, b"XAmzContentSHA256Mismatch" in body, len(doorway.passed)) == (400, True, 1)


def test_a_header_of_amazon_s_that_is_not_signed_is_refused() -> None:
    doorway = Doorway()
    headers = [*signed_headers("GET", "/photos/a.jpg").items(), ("x-amz-acl", "public-read")]
    status, _, body = doorway.ask("GET", f"https://{HOST}/photos/a.jpg", headers)
    assert (status, b"x-amz-acl" in body, doorway.passed) == (403, True, [])


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Basic Zm9v",
        "Bearer x",
        "AWS 000000000000:x",
        "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256 Credential=000000000000",
        "AWS4-HMAC-SHA256 Credential=000000000000, SignedHeaders=host, Signature=x",
        "AWS4-HMAC-SHA256 Credential=000000000000/20260101/us-east-1/s3/aws4_request, SignedHeaders=, Signature=é",
        "AWS4-ECDSA-P256-SHA256 Credential=000000000000/20260101/s3/aws4_request, SignedHeaders=host, Signature=x",
    ],
)
def test_headers_that_are_no_signature_of_this_kind_are_refused(authorization: str) -> None:
    doorway = Doorway()
    status, headers, body = doorway.ask("GET", f"https://{HOST}/photos", {"authorization": authorization})
    assert status in {400, 403}
    assert headers["content-length"] == str(len(body))
    assert b"<Error><Code>" in body
    assert not doorway.passed


def test_a_refused_head_has_no_body() -> None:
    assert Doorway().ask("HEAD", f"https://{HOST}/photos/a.jpg")[2] == b""


def test_health_needs_no_signature_and_tells_nothing_else() -> None:
    doorway = Doorway()
    assert doorway.ask("GET", f"https://{HOST}/_podium/health")[::2] == (200, b"ready\n")
    assert not doorway.passed


def test_a_web_socket_is_closed() -> None:
    sent: list[Message] = []

    async def nothing() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    async def emulator(*_: Json) -> None:
        raise AssertionError

    asyncio.run(Door(emulator, KEY, lambda *_: SECRET)({"type": "websocket", "path": "/"}, nothing, send))
    assert [message["type"] for message in sent] == ["websocket.close"]


def signed_headers(method: str, path: str, body: bytes = b"") -> dict[str, str]:
    """The headers of a request that root signed for S3, with the hash of its body."""
    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    request = AWSRequest(method, f"https://{HOST}{path}", data=body)
    S3SigV4Auth(Credentials(KEY, SECRET), "s3", "us-east-1").add_auth(request)
    return {"host": HOST, **dict(request.headers.items())}
