"""Files made to break a reader: each is a picture or refused, and the Lambda does not refuse what the server reads.

test_any_bytes.py damages at random; here the damage is meant. What is small and costs much is in test_bombs.py.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

import boto3
import numpy as np
import pytest
from botocore.response import StreamingBody
from botocore.stub import Stubber
from PIL import Image

from inference.images.reading import UnreadableImage, read_image
from pipeline.classify.fetch import fetch
from pipeline.contracts import ImageRef
from pipeline.errors import ImageRejected
from tests.inference.images.hostile import (
    ASCII,
    BYTE,
    LONG,
    LONG8,
    SHORT,
    SIGNED_SHORT,
    Tags,
    bitmap,
    exif,
    gif,
    grey,
    in_strips,
    jpeg_claiming,
    jpeg_segment,
    jpeg_with,
    png,
    tiff,
)
from tests.inference.images.pictures import ORIENTATION, SIZE, corners, encoded, jpeg, seen_corners

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # of damage that Pillow can live with

MANY = 65_500  # pixels on a side, about the most that JPEG and GIF can say


def refusal(data: bytes) -> UnreadableImage:
    with pytest.raises(UnreadableImage) as caught:
        read_image(data)
    return caught.value


@pytest.mark.parametrize("size", [(1, MANY), (MANY, 1), (1, 101)])
def test_a_line_of_pixels_is_refused_in_whatever_format(size: tuple[int, int]) -> None:
    for data in (png(*size), jpeg_claiming(*size), gif(*size, frame=size), bitmap(*size), in_strips(*size, 1, b"a")):
        assert f"{size[0]} x {size[1]} pixels: one side is over 100 times the other" in refusal(data).reason


@pytest.mark.parametrize("size", [(0, 0), (0, 5), (5, 0)])
def test_a_picture_without_width_or_height_is_unreadable(size: tuple[int, int]) -> None:
    for data in (png(*size), jpeg_claiming(*size), gif(*size, frame=size), bitmap(*size), in_strips(*size, 1, b"")):
        assert refusal(data).code == "unreadable"


def whole_files() -> Iterator[tuple[str, bytes]]:
    """A picture without repetition in every format and in every way that its pixels may be packed."""
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 256, (60, 80, 3), dtype=np.uint8))
    yield "JPEG", jpeg(noise)
    yield "progressive JPEG", jpeg(noise, progressive=True)
    yield "CMYK JPEG", jpeg(noise.convert("CMYK"))
    yield "PNG", encoded(noise, "PNG")
    yield "palette PNG", encoded(noise.quantize(200), "PNG", transparency=bytes(range(200)))
    yield "16 bit PNG", encoded(Image.fromarray(np.arange(4800, dtype=np.uint16).reshape(60, 80)), "PNG")
    yield "GIF", encoded(noise, "GIF")
    yield "WebP", encoded(noise, "WEBP")
    yield "lossless WebP", encoded(noise, "WEBP", lossless=True)
    yield "BMP", encoded(noise, "BMP")
    for compression in ("raw", "tiff_lzw", "tiff_deflate", "jpeg", "packbits"):
        yield f"{compression} TIFF", encoded(noise, "TIFF", compression=compression)
    yield "CMYK TIFF", encoded(noise.convert("CMYK"), "TIFF")


@pytest.mark.parametrize(("name", "data"), list(whole_files()), ids=lambda it: it if isinstance(it, str) else "")
def test_a_file_cut_anywhere_is_refused_or_was_whole_without_what_is_missing(name: str, data: bytes) -> None:
    """At each of its first 600 bytes, and at every kilobyte: never half a picture."""
    whole = read_image(data).tobytes()
    for length in sorted(
        {*range(1, min(600, len(data))), *range(1024, len(data), 1024), *range(len(data) - 8, len(data))}
    ):
        with suppress(UnreadableImage):
            assert read_image(data[:length]).tobytes() == whole, length


def test_a_tall_clear_picture_keeps_its_rows() -> None:
    """It is laid on white in parts."""
    rows = np.arange(600, dtype=np.uint32)
    clear = (
        np.stack([rows % 256, rows // 256, rows * 0, rows * 0 + 255], axis=1)
        .astype(np.uint8)[:, None]
        .repeat(9, axis=1)
    )
    picture = read_image(encoded(Image.fromarray(clear), "PNG"))
    assert np.array_equal(np.asarray(picture), clear[:, :, :3])


POLYGLOTS = {
    "JPEG and ZIP": (jpeg(corners()) + b"PK\x03\x04" + bytes(100) + b"PK\5\6" + bytes(18), None),
    "PNG and a web page": (encoded(corners(), "PNG") + b"<html><script>alert(1)</script></html>", None),
    "GIF and a script": (gif(0x2A2F, 200, more=b"!\xfe\x10*/=1;alert(1);/*\0"), None),  # begins GIF89a/*
    "JPEG with PHP in its comment": (jpeg_with(jpeg_segment(0xFE, b"<?php system($_GET[0]); ?>")), None),
    "BMP and a script": (encoded(corners(), "BMP") + b"=1;alert(1)", None),
    "PDF around a JPEG": (b"%PDF-1.7\n1 0 obj<</Filter/DCTDecode>>stream\n" + jpeg(corners()), "a PDF document"),
    "ZIP around a PNG": (b"PK\x03\x04" + bytes(26) + encoded(corners(), "PNG"), "a ZIP archive"),
    "web page around a GIF": (b"<html><!--" + gif(16, 16) + b"-->", "a web page"),
    "a line before a JPEG": (b"\n" + jpeg(corners()), "no "),
    "a byte order mark before a PNG": (b"\xef\xbb\xbf" + encoded(corners(), "PNG"), "no "),
}


@pytest.mark.parametrize("name", POLYGLOTS)
def test_a_file_that_is_two_things_is_what_its_first_bytes_say(name: str) -> None:
    data, kind = POLYGLOTS[name]
    if kind is None:
        assert read_image(data).size in {SIZE, (0x2A2F, 200)}
    else:
        assert refusal(data).code == "unsupported_format"


@pytest.mark.parametrize("chunk", [b"IHDR", b"PLTE", b"tRNS"])
def test_a_chunk_whose_checksum_is_wrong_costs_the_png(chunk: bytes) -> None:
    data = bytearray(encoded(corners().quantize(4), "PNG", transparency=b"\x80"))
    place = data.index(chunk)
    (length,) = struct.unpack(">I", data[place - 4 : place])
    data[place + 4 + length] ^= 0xFF
    assert refusal(bytes(data)).code == "unreadable"


def exif_of_nobody() -> Iterator[tuple[str, bytes]]:
    """EXIF whose orientation cannot be known."""
    yield "nothing", b"Exif\0\0"
    yield "noise", b"Exif\0\0" + np.random.default_rng(2).bytes(500)
    yield "a directory beyond its end", b"Exif\0\0II*\0\xff\xff\xff\x7f"
    yield "a directory that names itself", b"Exif\0\0" + tiff({ORIENTATION: (SHORT, (0,))}, next_directory=8)
    yield "65,535 tags", b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + struct.pack("<HHII", 1, BYTE, 2**31, 0) * 4000
    yield "more than it holds", exif(dict.fromkeys((1000, 1001), (BYTE, (0,) * 30_000)))[:31_000]
    for kind, value in (
        (SHORT, 0),
        (SHORT, 9),
        (SHORT, 65_535),
        (LONG, 2**32 - 1),
        (SIGNED_SHORT, -6),
        (ASCII, 54),
        (BYTE, 0),
    ):
        yield f"orientation {value} of type {kind}", exif({ORIENTATION: (kind, (value,))})


@pytest.mark.parametrize(("name", "data"), list(exif_of_nobody()), ids=lambda it: it if isinstance(it, str) else "")
def test_whatever_exif_holds_it_does_not_cost_the_picture(name: str, data: bytes) -> None:
    lossless = {"PNG": {}, "WEBP": {"lossless": True}}
    files = [encoded(corners(), form, exif=data, **options) for form, options in lossless.items()]
    for whole in (*files, jpeg_with(jpeg_segment(0xE1, data)), jpeg_with(*[jpeg_segment(0xE1, data)] * 3)):
        assert np.abs(np.subtract(seen_corners(read_image(whole)), seen_corners(corners()))).max() < 6


TIFFS_THAT_EXCHANGED_TAGS: dict[str, tuple[Tags, bool]] = {
    "a palette below 0": (grey(4, 4, 1) | {262: (SHORT, (3,)), 320: (SIGNED_SHORT, (-1,) * 768)}, False),
    "a strip at 2**63": (grey(4, 4, 1) | {273: (LONG8, (2**63,)), 279: (LONG8, (16,)), 278: (LONG, (4,))}, True),
    "a strip at 2**64 - 1": (grey(4, 4, 1) | {273: (LONG8, (2**64 - 1,)), 279: (LONG8, (16,))}, True),
    "a size in 64 bits": (grey(4, 4, 1) | {256: (LONG8, (2**64 - 1,)), 257: (LONG8, (2**64 - 1,))}, True),
    "six samples of 16 bits": (grey(4, 4, 1) | {258: (SHORT, (16,) * 6), 277: (SHORT, (6,)), 273: (LONG, (8,))}, False),
    "text for a size": (grey(4, 4, 1) | {256: (ASCII, (52, 0))}, False),
    "no tags": ({}, False),
}


@pytest.mark.parametrize("name", TIFFS_THAT_EXCHANGED_TAGS)
def test_a_tiff_whose_tags_make_no_sense_is_refused_and_raises_nothing_else(name: str) -> None:
    tags, big = TIFFS_THAT_EXCHANGED_TAGS[name]
    assert refusal(tiff(tags, bytes(16), big=big)).code in {"unreadable", "too_many_pixels"}


@pytest.mark.parametrize("place", [0, 15, 2**31, 2**63, 2**64 - 1])
def test_a_tiff_whose_directory_is_not_in_it_is_unreadable(place: int) -> None:
    assert refusal(b"II+\0" + struct.pack("<HHQ", 8, 0, place) + bytes(16)).code == "unreadable"
    assert refusal(b"MM\0*" + struct.pack(">I", place % 2**32) + bytes(16)).code == "unreadable"


@pytest.fixture(scope="module")
def s3() -> S3Client:
    return boto3.client("s3", region_name="us-east-1", aws_access_key_id="testing", aws_secret_access_key="testing")


def verdict_of_the_lambda(data: bytes, s3: S3Client) -> str | None:
    """Why the pipeline would not send this file to the model server; None if it would."""
    stub = Stubber(s3)
    stub.add_response("get_object", {"Body": StreamingBody(io.BytesIO(data), len(data))})
    image = ImageRef(bucket="input", key="incoming/photo.jpg", size_bytes=len(data), sequencer="")
    try:
        with stub:
            assert fetch(image, s3, max_bytes=10_485_760) == data
    except ImageRejected as rejected:
        return rejected.code
    return None


def verdict_of_the_server(data: bytes) -> str | None:
    try:
        read_image(data)
    except UnreadableImage as refused:
        return refused.code
    return None


def test_the_lambda_refuses_no_picture_and_everything_that_is_of_another_format(s3: S3Client) -> None:
    """docs/pipeline.md: by its first 512 bytes; what begins like an image and is none is left to the server."""
    files = [data for _, data in whole_files()] + [data for data, _ in POLYGLOTS.values()]
    for data in files + [whole[:length] for whole in files for length in (1, 2, 3, 8, 15, 40, 512)]:
        of_lambda, of_server = verdict_of_the_lambda(data, s3), verdict_of_the_server(data)
        assert of_lambda in {None, "unsupported_format"}
        assert (of_lambda is None) <= (of_server != "unsupported_format"), data[:40]
        assert (of_server is None) <= (of_lambda is None), data[:40]
