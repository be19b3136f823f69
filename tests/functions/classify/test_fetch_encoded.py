"""A photo that is stored compressed is a photo: its Content-Encoding is undone, within the limit on an image's bytes."""

from __future__ import annotations

import gzip
import io
import random
from typing import Any

import pytest
from botocore.exceptions import IncompleteReadError
from botocore.response import StreamingBody
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.classify.encodings import GZIP_MAGIC
from pipeline.classify.fetch import fetch
from pipeline.contracts import ImageRef
from pipeline.errors import ImageRejected
from tests.functions.conftest import INPUT, Aws
from tests.functions.factories import JPEG, body_about, image_ref, sqs_event
from tests.functions.fake_model_server import ModelServer, Reply, answering
from tests.functions.invoking import failed, invoke

LIMIT = 60_000
PHOTO = JPEG + random.Random(7).randbytes(9_000)  # of more pieces than one
TEXT = b"no image at all, " * 99


def upload(aws: Aws, data: bytes, encoding: str, key: str = "incoming/monday/ball.jpg") -> ImageRef:
    put = aws.s3.put_object(Bucket=INPUT, Key=key, Body=data, ContentEncoding=encoding)
    return image_ref(key=key, version_id=put["VersionId"], size_bytes=len(data))


def rejection(aws: Aws, data: bytes, encoding: str = "gzip") -> ImageRejected:
    with pytest.raises(ImageRejected) as error:
        fetch(upload(aws, data, encoding), aws.s3, max_bytes=LIMIT)
    return error.value


@pytest.mark.parametrize(
    "encoding", ["gzip", "GZip", "x-gzip", "gzip, aws-chunked", "aws-chunked,gzip", "identity, gzip"]
)
def test_a_compressed_photo_is_a_photo(aws: Aws, encoding: str) -> None:
    assert fetch(upload(aws, gzip.compress(PHOTO), encoding), aws.s3, max_bytes=LIMIT) == PHOTO


def test_of_a_photo_in_several_members_none_is_lost(aws: Aws) -> None:
    members = (
        gzip.compress(PHOTO[:100]) + gzip.compress(PHOTO[100:5_000]) + gzip.compress(b"") + gzip.compress(PHOTO[5_000:])
    )
    assert fetch(upload(aws, members + bytes(512), "gzip"), aws.s3, max_bytes=LIMIT) == PHOTO


def test_a_photo_in_more_members_than_anything_makes_is_refused_before_they_cost_seconds(aws: Aws) -> None:
    empty = gzip.compress(b"")
    assert fetch(upload(aws, empty * 999 + gzip.compress(PHOTO), "gzip"), aws.s3, max_bytes=LIMIT) == PHOTO
    rejected = rejection(aws, empty * 1_000 + gzip.compress(PHOTO))
    assert (rejected.code, "in more than 1,000 parts" in rejected.reason) == ("unreadable", True)


def test_a_header_longer_than_the_first_bytes_is_read(aws: Aws) -> None:
    packed = io.BytesIO()
    with gzip.GzipFile(filename="a" * 2_000, fileobj=packed, mode="wb") as file:
        file.write(PHOTO)
    assert fetch(upload(aws, packed.getvalue(), "gzip"), aws.s3, max_bytes=LIMIT) == PHOTO


@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd", "identity", "aws-chunked", "no-such", "gzip, gzip", ""])
def test_a_photo_that_is_not_compressed_is_a_photo_whatever_its_label(aws: Aws, encoding: str) -> None:
    assert fetch(upload(aws, PHOTO, encoding), aws.s3, max_bytes=LIMIT) == PHOTO


@pytest.mark.parametrize("encoding", ["br", "zstd", "deflate", "gzip, br", "gzip, gzip", "\x1b[31m" * 40])
def test_an_encoding_that_is_not_undone_is_named(aws: Aws, encoding: str) -> None:
    image = upload(aws, b"(\xb5/\xfd" + bytes(700), "br")
    aws.s3.meta.events.register(
        "after-call.s3.GetObject", lambda parsed, **_: parsed.update(ContentEncoding=encoding), unique_id="label"
    )
    with pytest.raises(
        ImageRejected, match=r"Content-Encoding '.*', and only gzip is undone: upload it without"
    ) as error:
        fetch(image, aws.s3, max_bytes=LIMIT)
    aws.s3.meta.events.unregister("after-call.s3.GetObject", unique_id="label")
    assert error.value.code == "unsupported_format"
    assert error.value.reason.isprintable()
    assert len(error.value.reason) < 250


def test_a_compressed_photo_without_the_header_is_told_both_ways(aws: Aws) -> None:
    with pytest.raises(
        ImageRejected, match=r"compressed with gzip: unpack it .* or upload it with Content-Encoding: gzip"
    ) as one:
        fetch(aws.upload("incoming/ball.jpg.gz", gzip.compress(PHOTO)), aws.s3, max_bytes=LIMIT)
    assert one.value.code == "unsupported_format"


def test_a_photo_that_is_compressed_twice_is_told_to_be_unpacked_and_not_what_it_has_already(aws: Aws) -> None:
    twice = rejection(aws, gzip.compress(gzip.compress(PHOTO)))
    assert twice.code == "unsupported_format"
    assert twice.reason == "The file is compressed with gzip twice: unpack it and upload the photo itself."


@pytest.mark.parametrize("size", [LIMIT + 1, 30_000_000])
def test_a_photo_that_is_too_large_when_unpacked_is_refused_and_never_unpacked_whole(aws: Aws, size: int) -> None:
    bomb = gzip.compress(JPEG + bytes(size - len(JPEG)))
    rejected = rejection(aws, bomb[:-8] if size > LIMIT + 1 else bomb)  # without its end, which is never reached
    assert rejected.code == "too_large"
    assert "unpacks to more than 60,000 bytes" in rejected.reason


def test_a_bomb_that_holds_no_image_is_called_too_large_and_what_fits_is_called_no_image(aws: Aws) -> None:
    bomb = rejection(aws, gzip.compress(bytes(30_000_000))[:-8])  # without its end, which is never reached
    assert (bomb.code, "unpacks to more than 60,000 bytes" in bomb.reason) == ("too_large", True)
    small = rejection(aws, gzip.compress(bytes(LIMIT)))
    assert (small.code, "no kind of file that we know" in small.reason) == ("unsupported_format", True)
    text = rejection(aws, gzip.compress(TEXT * 9_000))
    assert (text.code, "looks like text" in text.reason) == ("unsupported_format", True)


def test_a_photo_of_just_the_limit_is_read(aws: Aws) -> None:
    whole = JPEG + bytes(LIMIT - len(JPEG))
    assert fetch(upload(aws, gzip.compress(whole), "gzip"), aws.s3, max_bytes=LIMIT) == whole


@pytest.mark.parametrize("cut", [1, 8, 500, 9_000])
def test_a_truncated_one_is_unreadable(aws: Aws, cut: int) -> None:
    rejected = rejection(aws, gzip.compress(PHOTO)[:-cut])
    assert (rejected.code, "ends too early: upload it again" in rejected.reason) == ("unreadable", True)


@pytest.mark.parametrize("place", [2, 600, 4_000, -6])
def test_a_damaged_one_is_unreadable(aws: Aws, place: int) -> None:
    packed = bytearray(gzip.compress(PHOTO))
    packed[place] ^= 0xFF
    rejected = rejection(aws, bytes(packed))
    assert rejected.code in {"unreadable", "unsupported_format"}
    assert "gzip and damaged" in rejected.reason


def test_what_is_no_image_when_unpacked_is_refused_by_its_first_bytes(aws: Aws) -> None:
    assert "looks like text" in rejection(aws, gzip.compress(TEXT)).reason
    assert rejection(aws, gzip.compress(b"")).code == "empty"
    assert "looks like text" in rejection(aws, TEXT).reason


def test_a_connection_that_breaks_is_not_the_images_fault() -> None:
    """The bytes that came are no truncated file: S3 said how many there are."""
    packed = gzip.compress(PHOTO)

    class Broken:
        def get_object(self, **_: object) -> dict[str, Any]:
            return {"Body": StreamingBody(io.BytesIO(packed[:5_000]), len(packed)), "ContentEncoding": "gzip"}

    s3: Any = Broken()
    with pytest.raises(IncompleteReadError):
        fetch(image_ref(), s3, max_bytes=LIMIT)


@given(st.binary(max_size=2_000), st.lists(st.integers(0, 2_000), max_size=3), st.integers(0, 40))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_whatever_gzip_bytes_hold_they_are_an_image_or_a_rejection(data: bytes, flips: list[int], cut: int) -> None:
    packed = bytearray(gzip.compress(JPEG[:4] + data))
    for place in flips:
        packed[place % len(packed)] ^= 1 + place % 255
    stored = GZIP_MAGIC + bytes(packed[2 : len(packed) - cut])

    class Fake:
        def get_object(self, **_: object) -> dict[str, Any]:
            return {"Body": StreamingBody(io.BytesIO(stored), len(stored)), "ContentEncoding": "gzip"}

    s3: Any = Fake()
    try:
        outcome: bytes | str = fetch(image_ref(), s3, max_bytes=1_000)
    except ImageRejected as rejected:
        outcome = rejected.code
    assert outcome in {"unreadable", "unsupported_format", "too_large", "empty"} or len(outcome) <= 1_000


@pytest.mark.usefixtures("settings")
def test_the_model_server_gets_the_photo_and_the_row_the_object(aws: Aws, model_server: ModelServer) -> None:
    asked: list[bytes] = []

    def reply(data: bytes) -> Reply:
        asked.append(data)
        return answering()

    model_server.reply = reply
    image = upload(aws, gzip.compress(PHOTO), "gzip")
    assert failed(invoke(sqs_event(body_about(image)))) == []
    assert asked == [PHOTO]
    assert (aws.row().status, aws.row().size_bytes) == ("classified", image.size_bytes)
