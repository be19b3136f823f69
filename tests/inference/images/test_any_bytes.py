"""Whatever bytes arrive: a picture or UnreadableImage, and nothing else."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from inference.images.reading import UnreadableImage, read_image
from tests.inference.images.pictures import corners, encoded, heic, jpeg

# Pillow warns of damage that it can live with, and of what it could not identify.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")

BEGINNINGS = [b"", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM", b"II*\x00", b"MM\x00*", b"RIFF0000WEBP"]
BEGINNINGS += [b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf"]


@cache
def whole_images() -> list[bytes]:
    exif = Image.Exif()
    exif[0x0112] = 6
    small, many = corners(), {"save_all": True, "append_images": [corners()]}
    return [
        jpeg(small, exif=exif),
        jpeg(small.convert("CMYK")),
        encoded(small, "MPO", **many),
        encoded(small, "PNG", exif=exif),
        encoded(small.convert("P"), "PNG", transparency=bytes([0, 128])),
        encoded(small, "PNG", **many),
        encoded(small, "GIF", **many),
        encoded(small, "WEBP", exif=exif),
        encoded(small.convert("RGBA"), "WEBP", lossless=True),
        encoded(small, "BMP"),
        encoded(small, "TIFF", exif=exif),
        encoded(small, "TIFF", compression="tiff_lzw"),
        encoded(small.convert("L").convert("F"), "TIFF"),
        encoded(small.convert("P"), "TIFF"),
        heic(small),
        encoded(small, "AVIF", **many),
    ]


@st.composite
def damaged_images(draw: st.DrawFn) -> bytes:
    data = bytearray(draw(st.sampled_from(whole_images())))
    length = len(data)
    changes = st.tuples(st.integers(0, min(length, 600) - 1) | st.integers(0, length - 1), st.integers(0, 255))
    for place, value in draw(st.lists(changes, max_size=8)):
        data[place] = value
    return bytes(data[: draw(st.just(length) | st.integers(0, length))])


def read_or_refuse(data: bytes) -> None:
    try:
        outcome: Image.Image | UnreadableImage = read_image(data, max_pixels=1_000_000)
    except UnreadableImage as refused:
        outcome = refused
    if isinstance(outcome, UnreadableImage):
        assert outcome.code in {"unsupported_format", "unreadable", "too_many_pixels"}
        assert outcome.reason.endswith(".")
    else:
        assert outcome.mode == "RGB"
        assert outcome.width * outcome.height <= 1_000_000


@given(st.builds(bytes.__add__, st.sampled_from(BEGINNINGS), st.binary(max_size=2000)))
def test_random_bytes_are_a_picture_or_refused(data: bytes) -> None:
    read_or_refuse(data)


@given(damaged_images())
def test_a_damaged_image_is_a_picture_or_refused(data: bytes) -> None:
    read_or_refuse(data)


def test_an_image_cut_anywhere_is_a_picture_or_refused() -> None:
    for data in whole_images():
        for length in range(0, len(data), 97):
            read_or_refuse(data[:length])
