"""TIFFs in YCbCr that store the colours of several pixels once."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from PIL import Image

from benchmarks.pictures.coarse_colours import BLOCKS, LAYOUTS, PACKED, coarse_picture, coarse_tiff
from inference.images.reading import UnreadableImage, read_image

SEEN = np.asarray(Image.fromarray(coarse_picture(), "YCbCr").convert("RGB")).astype(int)
ROUNDING = 3


def farthest(data: bytes) -> int:
    """Levels between a pixel as it is read and as it was stored."""
    return int(np.abs(np.asarray(read_image(data)) - SEEN).max())


@pytest.mark.parametrize("behind", [b"", bytes(10_000)], ids=["nothing behind", "bytes behind"])
@pytest.mark.parametrize("packing", PACKED)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("block", BLOCKS)
def test_colours_for_several_pixels_are_read_however_they_are_packed(
    block: tuple[int, int], layout: str, packing: str, behind: bytes
) -> None:
    for order in "<>":
        assert farthest(coarse_tiff(block, layout, packing, order=order, behind=behind)) <= ROUNDING


@pytest.mark.parametrize("packing", PACKED)
def test_without_the_tag_two_by_two_pixels_share_their_colours_as_the_standard_says(packing: str) -> None:
    assert farthest(coarse_tiff((2, 2), "strips", packing, is_tagged=False, behind=bytes(10_000))) <= ROUNDING


def test_without_the_tag_whole_pixels_are_read_if_there_are_bytes_for_all_of_them() -> None:
    """Older programs forget it."""
    assert farthest(coarse_tiff((1, 1), "strips", "raw", is_tagged=False)) <= ROUNDING


def test_a_turned_one_is_upright() -> None:
    turned = read_image(coarse_tiff((2, 2), "strips", "raw", orientation=6))
    assert np.abs(np.asarray(turned) - np.rot90(SEEN, 3)).max() <= ROUNDING


@pytest.mark.parametrize("block", BLOCKS)
def test_one_that_lacks_pixels_is_refused(block: tuple[int, int]) -> None:
    data = coarse_tiff(block, "strip", "raw")
    size = 64 * 48 + 2 * (64 * 48 // (block[0] * block[1]))
    place = struct.pack("<HHI", 273, 4, 1)
    moved = data.replace(place + struct.pack("<I", 8), place + struct.pack("<I", len(data)))
    pixels = data[8 : 8 + size]
    assert farthest(moved + pixels) <= ROUNDING
    for missing in (1, size // 2, size - 1):
        with pytest.raises(UnreadableImage) as refused:
            read_image(moved + pixels[:-missing])
        assert refused.value.code == "unreadable"
