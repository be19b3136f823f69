"""One object of S3: a compressed one is its content, and one that S3 does not hand over is a sentence."""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from inference.images.encodings import NotDecoded
from training.data import s3, s3_objects
from training.data.s3_objects import UNPACKED_AT_MOST, opened
from training.errors import TrainingError, WrongInput
from training.prediction.sources import NotFetched, given_photos

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PHOTO = b"\xff\xd8\xff\xe0" + random.Random(7).randbytes(5_000)


def content(client: S3Client, key: str) -> bytes:
    with opened(client, "photos", key, f"s3://photos/{key}") as (found, _):
        return b"".join(found)


def put(client: S3Client, data: bytes, encoding: str, key: str = "p/a.jpg") -> str:
    client.put_object(Bucket="photos", Key=key, Body=data, ContentEncoding=encoding)
    return key


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "aws-chunked, gzip"])
def test_a_compressed_photo_is_read_as_the_photo(bucket: S3Client, encoding: str) -> None:
    packed = gzip.compress(PHOTO[:999]) + gzip.compress(PHOTO[999:])
    assert content(bucket, put(bucket, packed, encoding)) == PHOTO


@pytest.mark.parametrize("encoding", ["", "gzip", "br", "identity"])
def test_a_photo_that_is_not_compressed_is_read_whatever_its_label(bucket: S3Client, encoding: str) -> None:
    assert content(bucket, put(bucket, PHOTO, encoding)) == PHOTO
    assert content(bucket, put(bucket, b"", "gzip")) == b""


@pytest.mark.parametrize(
    ("data", "encoding", "sentence"),
    [
        (gzip.compress(PHOTO)[:-9], "gzip", r"s3://photos/p/a\.jpg cannot be read\. .* ends too early"),
        (gzip.compress(PHOTO)[:-8] + bytes(8), "gzip", "gzip and damaged"),
        (bytes(99), "zstd", "Content-Encoding 'zstd', and only gzip is undone"),
    ],
)
def test_a_compressed_one_that_cannot_be_unpacked_is_named(
    bucket: S3Client, data: bytes, encoding: str, sentence: str
) -> None:
    with pytest.raises(WrongInput, match=sentence):
        content(bucket, put(bucket, data, encoding))


def test_a_bomb_is_never_unpacked_whole(bucket: S3Client, monkeypatch: pytest.MonkeyPatch) -> None:
    assert UNPACKED_AT_MOST == 104_857_600
    monkeypatch.setattr(s3_objects, "UNPACKED_AT_MOST", 10_000)
    monkeypatch.setattr(s3_objects, "PIECE_BYTES", 4_000)
    bomb = gzip.compress(bytes(9_000_000))[:-8]  # its end is never reached
    with opened(bucket, "photos", put(bucket, bomb, "gzip"), "It") as (found, _):
        assert len(next(found)) == 4_000
        assert len(next(found)) == 4_000
        with pytest.raises(NotDecoded):
            next(found)
    with pytest.raises(WrongInput, match="unpacks to more than 10,000 bytes"):
        content(bucket, "p/a.jpg")


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch, bucket: S3Client) -> Callable[[str], None]:
    """Lets S3 refuse every object with this code."""

    def refuse(code: str) -> None:
        def answer(**_: object) -> None:
            raise ClientError({"Error": {"Code": code, "Message": "No."}}, "GetObject")

        bucket.meta.events.register("before-call.s3.GetObject", answer)

    monkeypatch.setattr(s3, "s3_client", lambda: bucket)
    monkeypatch.setattr("training.prediction.sources.s3_client", lambda: bucket)
    bucket.put_object(Bucket="photos", Key="p/a.jpg", Body=PHOTO)
    return refuse


@pytest.mark.parametrize(
    ("code", "kind", "what_to_do"),
    [
        ("InvalidObjectState", WrongInput, "it lies in an archive. Restore it .*, or leave it out"),
        ("InvalidRequest", WrongInput, r"\(SSE-C\)\. Copy it without one, or leave it out"),
        ("KMS.DisabledException", WrongInput, "Enable it, or leave it out"),
        ("KMS.KMSInvalidStateException", WrongInput, "disabled or deleted"),
        ("KMS.NotFoundException", WrongInput, "disabled or deleted"),
        (
            "AccessDenied",
            TrainingError,
            r"S3 says AccessDenied \(No\)\. Let your AWS profile read it.*--request-payer requester",
        ),
        ("NoSuchKey", TrainingError, "deleted since the list was made: start again"),
        ("SlowDown", TrainingError, r"S3 says SlowDown \(No\)\.$"),
    ],
)
def test_an_object_that_s3_refuses_is_named_with_what_to_do(
    refusing: Callable[[str], None], tmp_path: Path, code: str, kind: type[TrainingError], what_to_do: str
) -> None:
    """A training stops at it; of photos to predict the others are predicted."""
    refusing(code)
    with pytest.raises(kind, match=rf"^s3://photos/p/a\.jpg cannot be read: .*{what_to_do}") as refused:
        s3.fetch("s3://photos/p", tmp_path)
    assert isinstance(refused.value, WrongInput) == (kind is WrongInput)
    [photo] = given_photos(["s3://photos/p"])
    with pytest.raises(NotFetched, match=rf"^The object cannot be read: .*{what_to_do}"):
        photo.fetch()


def test_a_bucket_that_may_not_be_listed_says_what_to_allow(
    bucket: S3Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: object) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "Access Denied"}}, "ListObjectsV2")

    bucket.meta.events.register("before-call.s3.ListObjectsV2", refuse)
    monkeypatch.setattr(s3, "s3_client", lambda: bucket)
    with pytest.raises(
        TrainingError, match=r"s3://photos/p cannot be read: S3 says AccessDenied .* Let your AWS profile"
    ):
        s3.fetch("s3://photos/p", tmp_path)


def test_compressed_photos_are_kept_unpacked_and_fetched_once(bucket: S3Client, tmp_path: Path) -> None:
    for name, data, encoding in (
        ("a", gzip.compress(PHOTO), "gzip"),
        ("b", PHOTO, ""),
        ("c", gzip.compress(b""), "gzip"),
    ):
        put(bucket, data, encoding, f"p/jade/{name}.jpg")
    fetched: list[Any] = []
    place = s3.fetch("s3://photos/p", tmp_path, fetched.append)
    assert (place / "jade" / "a.jpg").read_bytes() == (place / "jade" / "b.jpg").read_bytes() == PHOTO
    assert (place / "jade" / "c.jpg").read_bytes() == b""
    assert len(fetched) == 3
    s3.fetch("s3://photos/p", tmp_path, fetched.append)
    assert len(fetched) == 3
    (place / "jade" / "a.jpg").write_bytes(PHOTO[:-1])
    put(bucket, gzip.compress(PHOTO[::-1]), "gzip", "p/jade/c.jpg")
    s3.fetch("s3://photos/p", tmp_path, fetched.append)
    assert len(fetched) == 5
    assert (place / "jade" / "a.jpg").read_bytes() == (place / "jade" / "c.jpg").read_bytes()[::-1] == PHOTO
