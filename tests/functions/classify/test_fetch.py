"""The bytes of the very version that was uploaded, or why there are none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from pipeline.classify.fetch import fetch
from pipeline.classify.formats import HEAD_BYTES, READABLE, looks_like
from pipeline.contracts import ImageRef
from pipeline.errors import ImageRejected, ImageUnavailable, describe
from tests.functions.conftest import INPUT, Aws
from tests.functions.factories import JPEG, image_ref

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

LIMIT = 10_485_760


def rejection(aws: Aws, image: ImageRef, max_bytes: int = LIMIT) -> ImageRejected:
    with pytest.raises(ImageRejected) as error:
        fetch(image, aws.s3, max_bytes=max_bytes)
    return error.value


def test_an_image_is_fetched_whole(aws: Aws) -> None:
    assert fetch(aws.upload("incoming/monday/été & 100%.jpg"), aws.s3, max_bytes=LIMIT) == JPEG


def test_an_image_overwritten_meanwhile_is_fetched_in_the_version_of_its_event(aws: Aws) -> None:
    """The object may be overwritten between its event and its turn."""
    first = aws.upload("incoming/monday/ball.jpg", JPEG + b"first")
    aws.upload("incoming/monday/ball.jpg", JPEG + b"second")
    assert fetch(first, aws.s3, max_bytes=LIMIT) == JPEG + b"first"


def test_without_versions_an_overwritten_image_is_gone_and_never_mistaken_for_the_newer_one(aws: Aws) -> None:
    """The object may be overwritten between its event and its turn."""
    first = aws.upload("incoming/monday/ball.jpg", JPEG + b"first").model_copy(update={"version_id": None})
    assert fetch(first, aws.s3, max_bytes=LIMIT) == JPEG + b"first"
    aws.upload("incoming/monday/ball.jpg", JPEG + b"second")
    assert rejection(aws, first).code == "gone"


def test_an_event_without_version_and_etag_means_the_image_that_is_there(aws: Aws) -> None:
    image = aws.upload("incoming/monday/ball.jpg").model_copy(update={"version_id": None, "etag": None})
    assert fetch(image, aws.s3, max_bytes=LIMIT) == JPEG


@pytest.mark.parametrize(
    ("image", "code", "word"),
    [
        (image_ref(key="incoming/monday/", size_bytes=0), "folder_marker", "folder"),
        (image_ref(size_bytes=0), "empty", "0 bytes"),
        (
            image_ref(size_bytes=LIMIT + 1),
            "too_large",
            r"10\.5 MB \(10,485,761 bytes\), and at most 10\.5 MB \(10,485,760 bytes\)",
        ),
    ],
)
def test_what_cannot_be_an_image_costs_no_request(image: ImageRef, code: str, word: str) -> None:
    """A bucket receives more than images. The stub holds no response: any request would raise."""
    s3 = boto3.client("s3", region_name="us-east-1", aws_access_key_id="testing", aws_secret_access_key="testing")
    with Stubber(s3), pytest.raises(ImageRejected, match=word) as error:
        fetch(image, s3, max_bytes=LIMIT)
    assert error.value.code == code


def test_a_deleted_image_is_gone(aws: Aws) -> None:
    """That version, for good."""
    image = aws.upload("incoming/monday/ball.jpg")
    aws.s3.delete_object(Bucket=INPUT, Key=image.key, VersionId=str(image.version_id))
    assert rejection(aws, image).code == "gone"


def test_a_delete_marker_hides_only_images_without_a_version(aws: Aws) -> None:
    """The object may be deleted between its event and its turn."""
    image = aws.upload("incoming/monday/ball.jpg")
    aws.s3.delete_object(Bucket=INPUT, Key=image.key)
    assert fetch(image, aws.s3, max_bytes=LIMIT) == JPEG
    assert rejection(aws, image.model_copy(update={"version_id": None})).code == "gone"


def test_a_delete_marker_itself_is_no_image() -> None:
    """S3 answers 405 for it."""
    s3 = boto3.client("s3", region_name="us-east-1", aws_access_key_id="testing", aws_secret_access_key="testing")
    stub = Stubber(s3)
    stub.add_client_error("get_object", "MethodNotAllowed", http_status_code=405)
    with stub, pytest.raises(ImageRejected, match="delete marker"):
        fetch(image_ref(), s3, max_bytes=LIMIT)


def test_an_archived_image_is_rejected_until_somebody_restores_it(aws: Aws) -> None:
    """The reason names the storage class and the two commands."""
    put = aws.s3.put_object(Bucket=INPUT, Key="incoming/old.jpg", Body=JPEG, StorageClass="GLACIER")
    rejected = rejection(aws, image_ref(key="incoming/old.jpg", version_id=put["VersionId"]))
    assert rejected.code == "archived"
    assert re.search(r"\(GLACIER\): restore it \(`aws s3api restore-object`\).*`podium backfill`", rejected.reason)


SSE_C = (
    "The object was stored using a form of Server Side Encryption. "
    "The correct parameters must be provided to retrieve the object."
)
KEY = "arn:aws:kms:us-east-1:123456789012:key/1234abcd"


@contextmanager
def refusing(code: str, status: int, message: str = "", **more: str) -> Iterator[S3Client]:
    """An S3 that refuses the next object, as the documentation of its error codes has it."""
    s3 = boto3.client("s3", region_name="us-east-1", aws_access_key_id="testing", aws_secret_access_key="testing")
    stub = Stubber(s3)
    stub.add_client_error("get_object", code, message, status, service_error_meta=more)
    with stub:
        yield s3


@pytest.mark.parametrize(
    ("code", "status", "message", "rejected_as", "what_to_do"),
    [
        (
            "InvalidRequest",
            400,
            SSE_C,
            "encrypted",
            r"SSE-C \(The object was stored .* retrieve the object\): upload or copy",
        ),
        (
            "KMS.DisabledException",
            400,
            f"{KEY} is disabled.",
            "encrypted",
            rf"\({KEY} is disabled\): enable it .*backfill`",
        ),
        (
            "KMS.KMSInvalidStateException",
            400,
            f"{KEY} is pending deletion.",
            "encrypted",
            r"pending deletion\): enable it",
        ),
        ("KMS.NotFoundException", 400, "Invalid arn", "encrypted", "or upload the image again"),
        ("InvalidArgument", 400, "Invalid version id specified", "gone", "never had the version"),
        ("MethodNotAllowed", 405, "", "gone", "is a delete marker, not an image"),
        ("NoSuchKey", 404, "", "gone", "was deleted"),
        ("NoSuchVersion", 404, "", "gone", "was deleted for good"),
        ("PreconditionFailed", 412, "", "gone", "the newer upload has its own message"),
        ("InvalidObjectState", 403, "", "archived", r"\(its storage class\): restore it"),
    ],
)
def test_what_s3_will_never_hand_over_is_rejected_at_once_with_what_to_do(
    code: str, status: int, message: str, rejected_as: str, what_to_do: str
) -> None:
    with refusing(code, status, message) as s3, pytest.raises(ImageRejected, match=what_to_do) as error:
        fetch(image_ref(), s3, max_bytes=LIMIT)
    assert error.value.code == rejected_as


def test_an_image_in_an_archive_of_intelligent_tiering_names_the_tier() -> None:
    tier = {"StorageClass": "INTELLIGENT_TIERING", "AccessTier": "DEEP_ARCHIVE_ACCESS"}
    with (
        refusing("InvalidObjectState", 403, **tier) as s3,
        pytest.raises(ImageRejected, match=r"\(DEEP_ARCHIVE_ACCESS\)"),
    ):
        fetch(image_ref(), s3, max_bytes=LIMIT)


@pytest.mark.parametrize(
    ("code", "status", "message", "what_to_do"),
    [
        (
            "AccessDenied",
            403,
            "not authorized to perform: kms:Decrypt",
            "kms:Decrypt.*: allow the function .*kms:Decrypt on its",
        ),
        ("NoSuchBucket", 404, "", "there is no such bucket: make it again"),
        ("AllAccessDisabled", 403, "All access has been disabled", "All access has been disabled.*ask AWS Support"),
        ("AccountProblem", 403, "", "ask AWS Support"),
        ("InvalidPayer", 403, "", "ask AWS Support"),
    ],
)
def test_what_an_operator_can_allow_is_not_the_images_fault(
    code: str, status: int, message: str, what_to_do: str
) -> None:
    """A missing permission is retried, so that it can be put right; the reason of the dead letter says how."""
    with refusing(code, status, message) as s3, pytest.raises(ImageUnavailable, match=what_to_do) as error:
        fetch(image_ref(), s3, max_bytes=LIMIT)
    assert describe(error.value).startswith(f"S3 refuses the image ({f'{code}: {message}' if message else code})")
    assert describe(error.value).endswith("Then `podium redrive`.")


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("SlowDown", 503),
        ("InternalError", 500),
        ("RequestTimeout", 400),
        ("KMS.ThrottlingException", 400),
        ("Unheard", 400),
    ],
)
def test_what_may_be_different_later_is_not_the_images_fault(code: str, status: int) -> None:
    with refusing(code, status) as s3, pytest.raises(ClientError, match=code):
        fetch(image_ref(), s3, max_bytes=LIMIT)


BMP = b"BM" + bytes(12) + (40).to_bytes(4, "little")
FORMATS = {
    "JPEG": JPEG,
    "PNG": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    "GIF": b"GIF89a\1\0\1\0",
    "WEBP": b"RIFF\x24\0\0\0WEBPVP8 ",
    "BMP": BMP,
    "TIFF": b"MM\0*\0\0\0\x08",
    "HEIC": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
    "AVIF": b"\0\0\0\x1cftypavif\0\0\0\0",
    "a video": b"\0\0\0\x18ftypmp42\0\0\0\0",
    "a JPEG XL image": b"\xff\x0a\xfa\x1f",
    "a Photoshop document": b"8BPS\0\1",
    "an ICO icon": b"\0\0\1\0\1\0",
    "a PDF document": b"%PDF-1.7\n",
    "a ZIP archive": b"PK\x03\x04\x14\0",
    "an SVG drawing": b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg">',
    "a web page": b"<!DOCTYPE html><html>",
    "text": "Bälle, Montag\n".encode(),
    "a camera raw photo": b"\0\0\0\x18ftypcrx \0\0\0\1crx isom",
    "a PostScript drawing": b"%!PS-Adobe-3.0 EPSF-3.0\n",
    "a Netpbm image (PPM, PGM, PBM)": b"P6\n2 1\n255\n\1\2\3\4\5\6",
    "a TGA image": b"\0\0\2\0\0\0\0\0\0\0\0\0\2\0\1\0\x18\x20" + bytes(6),
    "a JPEG with white space before it": b"\r\n" + JPEG,
    "a RIFF file": b"RIFF\x24\0\0\0ACON",
}


@pytest.mark.parametrize(("kind", "data"), FORMATS.items())
def test_the_first_bytes_say_what_a_file_is(kind: str, data: bytes) -> None:
    """A bucket receives more than images."""
    assert looks_like(data[:HEAD_BYTES]) == kind


@pytest.mark.parametrize(("kind", "data"), [(kind, data) for kind, data in FORMATS.items() if kind not in READABLE])
def test_what_is_no_image_is_refused_with_what_it_looks_like_and_what_to_do(aws: Aws, kind: str, data: bytes) -> None:
    """Whatever its name says."""
    rejected = rejection(aws, aws.upload("incoming/photo.jpg", data))
    assert rejected.code == "unsupported_format"
    assert rejected.reason == f"The file looks like {kind}: save it as JPEG or PNG and upload it again."


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("a camera raw photo", b"FUJIFILMCCD-RAW 0201"),
        ("a camera raw photo", b"IIRO\x08\0\0\0"),
        ("a camera raw photo", b"IIU\0\x18\0\0\0"),
        ("a PostScript drawing", b"\xc5\xd0\xd3\xc6\x20\0\0\0"),
        ("a Netpbm image (PPM, PGM, PBM)", b"P3\n# by hand\n2 1\n255\n1 2 3 4 5 6\n"),
        ("a TGA image", b"\0\1\1\0\0\0\1\x18\0\0\0\0\2\0\1\0\x08\0" + bytes(9)),
        ("a TGA image", b"\0\0\x0a\0\0\0\0\0\0\0\0\0\2\0\1\0\x20\x28" + bytes(9)),
        ("a PNG with white space before it", b"\n" + FORMATS["PNG"]),
        ("text", b"P6 is the sixth of P1 to P9"),
        (None, b"\0\0\2" + bytes(40)),
    ],
)
def test_other_images_that_are_not_read_are_named_as_well(kind: str | None, data: bytes) -> None:
    assert looks_like(data[:HEAD_BYTES]) == kind


@pytest.mark.parametrize(
    ("brands", "kind"),
    [
        (b"mif1\0\0\0\0mif1avifmiaf", "AVIF"),
        (b"mif1\0\0\0\0mif1heic", "HEIC"),
        (b"msf1\0\0\0\0msf1avis", "AVIF"),
        (b"mif1\0\0\0\0mif1miaf", "HEIC"),
        (b"isom\0\0\0\0isomavif", "a video"),
        (b"mp42\0\0\0\0isommp41mp42avc1", "a video"),
        (b"avc1\0\0\0\0isomavc1mp42", "a video"),
        (b"qt  \0\0\0\0qt  ", "a video"),
        (b"xxxx\0\0\0\0xxxx", "a video"),
        (b"mp42\0\0\0\0mif1heic", "HEIC"),
        (b"mp42\0\0\0\0mp42mif1avifmiaf", "AVIF"),
        (b"MiHE\0\0\0\0mif1MiHEmiafheic", "HEIC"),
        (b"xxxx\0\0\0\0avif", "AVIF"),
        (b"1pic\0\0\0\0mif11picheic", "HEIC"),
        (b"1pic\0\0\0\0mif11pic", "HEIC"),
        (b"avci\0\0\0\0mif1avci", "an HEIF image with AVC inside"),
        (b"mif1\0\0\0\0mif1avci", "an HEIF image with AVC inside"),
        (b"jpgs\0\0\0\0mif1jpgs", "an HEIF image with JPEG inside"),
        (b"vvic\0\0\0\0mif1vvic", "an HEIF image with VVC inside"),
        (b"evbi\0\0\0\0mif1evbi", "an HEIF image with EVC inside"),
        (b"j2ki\0\0\0\0mif1j2ki", "an HEIF image with JPEG 2000 inside"),
    ],
)
def test_a_container_of_any_codec_is_what_its_other_brands_say(brands: bytes, kind: str) -> None:
    box = (8 + len(brands)).to_bytes(4) + b"ftyp" + brands
    assert looks_like(box + b"avif" * 20) == kind, "what comes behind the box is no brand"


def test_an_image_with_a_strange_name_is_an_image(aws: Aws) -> None:
    assert fetch(aws.upload("incoming/IMG_0001.txt"), aws.s3, max_bytes=LIMIT) == JPEG


def test_what_nobody_knows_is_refused_with_its_first_bytes(aws: Aws) -> None:
    rejected = rejection(aws, aws.upload("incoming/photo.jpg", b"\0\xff" * 300))
    assert "looks like no kind of file that we know (it begins with 00 ff 00 ff 00 ff 00 ff):" in rejected.reason


@pytest.mark.parametrize(
    "data",
    [b"BMW 320i", b"BMW is a car\n" * 9, "é".encode() * HEAD_BYTES, ("x" + "é" * HEAD_BYTES).encode()[:HEAD_BYTES]],
)
def test_a_text_that_begins_like_a_bitmap_and_one_cut_within_a_letter_are_texts(data: bytes) -> None:
    assert looks_like(data) == "text"
