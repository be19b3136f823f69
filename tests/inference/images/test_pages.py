"""Of a TIFF of several pages the first one is read that is not marked as a small copy of another."""

from __future__ import annotations

import io
import struct
from typing import Literal

import numpy as np
import pytest
import tifffile

from benchmarks.pictures.writing import picture
from inference.images.pages import full_page_first
from inference.images.reading import UnreadableImage, read_image
from tests.inference.images.hostile import LONG, SHORT, grey, tiff

PHOTO = picture()
BLACK = np.zeros((8, 8, 3), np.uint8)
FULL, REDUCED, PAGE = 0, 1, 2


def pages(*kinds: int, order: Literal["<", ">"] = "<", big: bool = False) -> bytes:
    """A TIFF whose first page that is not reduced is the photo, and all others black."""
    buffer, is_left = io.BytesIO(), True
    with tifffile.TiffWriter(buffer, byteorder=order, bigtiff=big) as file:
        for kind in kinds:
            is_photo = is_left and not kind & REDUCED
            is_left = is_left and not is_photo
            file.write(PHOTO if is_photo else BLACK, photometric="rgb", subfiletype=kind, metadata=None)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "kinds", [(FULL,), (REDUCED, FULL), (REDUCED, REDUCED, PAGE, FULL), (FULL, REDUCED), (3, FULL)]
)
@pytest.mark.parametrize(("order", "big"), [("<", False), (">", False), ("<", True)])
def test_a_thumbnail_that_comes_first_is_not_the_picture(
    kinds: tuple[int, ...], order: Literal["<", ">"], big: bool
) -> None:
    assert np.array_equal(np.asarray(read_image(pages(*kinds, order=order, big=big))), PHOTO)


def test_the_old_mark_of_a_small_copy_counts_as_well() -> None:
    first = tiff(grey(2, 1, 1, t255=(SHORT, (2,)), t273=(LONG, (8,)), t279=(LONG, (2,))), bytes(2))
    second = grey(2, 1, 1, t273=(LONG, (8,)), t279=(LONG, (2,)))
    alone = tiff(second, b"\x07\x09")
    assert np.asarray(read_image(_joined(first, alone)))[0, :, 0].tolist() == [7, 9]


def test_a_picture_that_a_thumbnail_holds_within_is_read() -> None:
    """As in DNG: the full picture has a directory of its own, to which that of the thumbnail points."""
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as file:
        file.write(BLACK, photometric="rgb", subfiletype=REDUCED, subifds=1, metadata=None)
        file.write(PHOTO, photometric="rgb", metadata=None)
    assert np.array_equal(np.asarray(read_image(buffer.getvalue())), PHOTO)


def test_a_raw_photo_with_a_thumbnail_is_refused_as_what_it_is() -> None:
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as file:
        file.write(BLACK, photometric="rgb", subfiletype=REDUCED, subifds=1, metadata=None)
        file.write(PHOTO[..., 0].astype(np.uint16), photometric="cfa", metadata=None)
    with pytest.raises(UnreadableImage, match="This is a TIFF of 16 bits raw sensor, a kind"):
        read_image(buffer.getvalue())


def test_a_thumbnail_alone_is_a_picture() -> None:
    assert np.array_equal(np.asarray(read_image(pages(REDUCED))), BLACK)


def test_pages_that_go_round_in_a_circle_end() -> None:
    tags = grey(2, 1, 1, t254=(LONG, (1,)), t273=(LONG, (8,)), t279=(LONG, (2,)))
    data = tiff(tags, b"\x07\x09", next_directory=10)
    assert np.asarray(read_image(data))[0, :, 0].tolist() == [7, 9]
    for end in range(len(data)):
        full_page_first(data[:end])


def _joined(first: bytes, second: bytes) -> bytes:
    """The pages of two little-endian TIFFs of one page and two grey pixels, at byte 8; the pixels are moved along."""
    shift = len(first)
    (directory,) = struct.unpack_from("<I", second, 4)
    (entries,) = struct.unpack_from("<H", second, directory)
    moved = bytearray(second)
    for at in range(directory + 2, directory + 2 + entries * 12, 12):
        if struct.unpack_from("<H", second, at) == (273,):
            struct.pack_into("<I", moved, at + 8, 8 + shift)
    (start,) = struct.unpack_from("<I", first, 4)
    (amount,) = struct.unpack_from("<H", first, start)
    linked = bytearray(first)
    struct.pack_into("<I", linked, start + 2 + amount * 12, directory + shift)
    return bytes(linked + moved)
