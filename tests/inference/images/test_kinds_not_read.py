"""A sound file of a kind that is not read is refused with its kind and what to do, never as damaged."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from benchmarks.pictures.writing import bitmap, picture, png, stretched, tiff
from inference.images.reading import UnreadableImage, read_image
from tests.inference.images.hostile import LONG, SHORT, grey
from tests.inference.images.hostile import tiff as tiff_of
from tests.inference.images.pictures import corners, encoded, heic, jpeg

PIXELS = picture()
FOUR = np.dstack([PIXELS, PIXELS[..., :1]])


def refusal(data: bytes) -> UnreadableImage:
    with pytest.raises(UnreadableImage) as caught:
        read_image(data)
    return caught.value


TIFFS: dict[str, tuple[Any, str, dict[str, Any], str]] = {
    "WebP": (PIXELS, "rgb", {"compression": "webp"}, "a TIFF of 3 x 8 bits RGB, WebP inside"),
    "JPEG 2000": (PIXELS, "rgb", {"compression": "jpeg2000"}, "a TIFF of 3 x 8 bits RGB, JPEG 2000 inside"),
    "float RGB": (stretched(PIXELS, "f4"), "rgb", {}, "a TIFF of 3 x 32 bits float RGB"),
    "half floats": (stretched(PIXELS[..., 0], "f2"), "minisblack", {}, "a TIFF of 16 bits float grey"),
    "double floats": (stretched(PIXELS[..., 0], "f8"), "minisblack", {}, "a TIFF of 64 bits float grey"),
    "signed RGB": (stretched(PIXELS, "i2"), "rgb", {}, "a TIFF of 3 x 16 bits signed RGB"),
    "BigTIFF": (PIXELS, "rgb", {"bigtiff": True, "byteorder": ">"}, "a big-endian BigTIFF of 3 x 8 bits RGB"),
    "CMYK and alpha": (np.dstack([FOUR, PIXELS[..., :1]]), "separated", {"extrasamples": [2]}, "a TIFF of 5 x 8 bits CMYK"),
    "Lab of 16 bits": (stretched(PIXELS, "u2"), "cielab", {}, "a TIFF of 3 x 16 bits Lab"),
    "planes of 16 bits": (stretched(PIXELS, "u2").transpose(2, 0, 1), "rgb", {"planarconfig": "separate"}, "a TIFF of 3 x 16 bits RGB in planes"),
    "premultiplied planes": (FOUR.transpose(2, 0, 1), "rgb", {"planarconfig": "separate", "extrasamples": [1]}, "a TIFF of 4 x 8 bits RGB in planes"),
    "grey and alpha in planes": (FOUR[..., :2].transpose(2, 0, 1), "minisblack", {"extrasamples": [2], "planarconfig": "separate", "compression": "deflate"}, "a TIFF of 2 x 8 bits grey in planes, deflate inside"),
    "grey and alpha of 16 bits": (stretched(FOUR[..., :2], "u2"), "minisblack", {"extrasamples": [2], "planarconfig": "contig"}, "a TIFF of 2 x 16 bits grey"),
    "white is 0, big-endian": (stretched(PIXELS[..., 0], "u2"), "miniswhite", {"byteorder": ">"}, "a big-endian TIFF of 16 bits grey with white at 0"),
    "raw sensor": (stretched(PIXELS[..., 0], "u2"), "cfa", {}, "a TIFF of 16 bits raw sensor"),
}  # fmt: skip


@pytest.mark.parametrize("name", TIFFS)
def test_a_tiff_of_a_kind_that_is_not_read_is_named(name: str) -> None:
    values, photometric, options, words = TIFFS[name]
    refused = refusal(tiff(values, photometric, **options))
    assert refused.code == "unsupported_format"
    assert (
        refused.reason == f"This is {words}, a kind that is not read here. Convert it to JPEG or PNG and send it again."
    )


@pytest.mark.parametrize("form", ["tiled", "in planes", "deflated", "BigTIFF"])
def test_a_tiff_may_be_laid_out_in_any_way_that_is_read(form: str) -> None:
    layouts: dict[str, dict[str, Any]] = {
        "tiled": {"tile": (16, 16)},
        "in planes": {"planarconfig": "separate", "compression": "deflate"},
        "deflated": {"compression": "deflate", "predictor": True, "byteorder": ">"},
        "BigTIFF": {"bigtiff": True},
    }
    options = layouts[form]
    stored = PIXELS.transpose(2, 0, 1) if form == "in planes" else PIXELS
    assert np.array_equal(np.asarray(read_image(tiff(stored, "rgb", **options))), PIXELS)


def test_planes_of_16_bits_are_read_if_they_are_compressed() -> None:
    planes = stretched(PIXELS, "u2").transpose(2, 0, 1)
    assert np.array_equal(
        np.asarray(read_image(tiff(planes, "rgb", planarconfig="separate", compression="lzw"))), PIXELS
    )


@pytest.mark.parametrize("tag", [256, 257, 258, 262, 273, 277, 279, 339])
def test_a_tiff_whose_directory_makes_no_sense_is_damaged(tag: int) -> None:
    """Each tag of a kind that is not read gets a number that it cannot have."""
    tags = grey(4, 4, 1) | {258: (SHORT, (16,)), 339: (SHORT, (3,)), 273: (LONG, (8,)), 279: (LONG, (32,))}
    assert refusal(tiff_of(tags, bytes(32))).code == "unsupported_format"
    broken = tiff_of(tags | {tag: (SHORT, (0,)) if tag in (256, 257, 258, 277) else (LONG, (65_000,))}, bytes(32))
    refused = refusal(broken)
    assert refused.code == "unreadable"
    assert "damaged or cut short" in refused.reason


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (bytes(imagecodecs.jpeg8_encode(PIXELS.astype(np.uint16) * 16, bitspersample=12)), "a JPEG of 12 bits"),
        (bytes(imagecodecs.jpegls_encode(PIXELS[..., 0])), "a JPEG-LS JPEG of 8 bits"),
    ],
    ids=["12 bits", "JPEG-LS"],
)
def test_a_jpeg_of_a_kind_that_is_not_read_is_named(data: bytes, words: str) -> None:
    refused = refusal(data)
    assert (refused.code, words in refused.reason) == ("unsupported_format", True)


def test_a_jpeg_without_a_frame_is_damaged() -> None:
    whole = jpeg(corners())
    for place in (4, whole.index(b"\xff\xc0") + 4, whole.index(b"\xff\xc0") + 9):
        assert refusal(whole[:place] + bytes([0]) * 20 + whole[place + 20 :]).code == "unreadable"


def test_a_bitmap_of_a_kind_that_is_not_read_is_named() -> None:
    rows = np.zeros((4, 8), np.uint8)
    odd_masks = bitmap(rows, 16, compression=3, masks=(0xF00, 0xF0, 0xF))
    jpeg_inside = bitmap(rows, 24, compression=4)
    assert "This is a bitmap with masks of 16 bits, a kind that" in refusal(odd_masks).reason
    assert "This is a bitmap with a JPEG of 24 bits, a kind that" in refusal(jpeg_inside).reason
    assert {refusal(odd_masks).code, refusal(jpeg_inside).code} == {"unsupported_format"}
    assert refusal(bitmap(rows, 24, compression=99)).code == "unreadable"


def test_a_png_of_16_bits_with_one_clear_colour_is_named_for_its_neighbours_would_be_clear_too() -> None:
    values = stretched(PIXELS, "u2")
    data = png(values, 16, 2, (b"tRNS", struct.pack(">3H", *values[0, 0])))
    assert "a PNG of 3 x 16 bits with one clear colour" in refusal(data).reason


ODD = {
    "pHYs": b"\0",
    "gAMA": b"",
    "iCCP": b"x",
    "zTXt": b"a\0\0broken",
    "iTXt": b"a",
    "sPLT": b"\0",
    "eXIf": b"?",
    "acTL": b"\0",
    "juNk": b"?",
}


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("behind", [False, True])
def test_an_odd_chunk_that_is_no_picture_does_not_cost_the_png(name: str, behind: bool) -> None:
    chunk = (name.encode(), ODD[name])
    data = png(PIXELS, 8, 2, *([] if behind else [chunk]), after=chunk if behind else None)
    assert np.array_equal(np.asarray(read_image(data)), PIXELS)
    place = data.index(chunk[0])
    damaged = data[: place + 4 + len(chunk[1])] + b"\0\0\0\0" + data[place + 8 + len(chunk[1]) :]
    assert np.array_equal(np.asarray(read_image(damaged)), PIXELS), "nor does its checksum"


@pytest.mark.parametrize("behind", [False, True])
def test_an_unknown_chunk_that_is_part_of_the_picture_is_named(behind: bool) -> None:
    """PNG, 3rd edition, section 13.1.1: a decoder must not show a picture with one."""
    chunk = (b"ABCD", b"??")
    data = png(PIXELS, 8, 2, *([] if behind else [chunk]), after=chunk if behind else None)
    refused = refusal(data)
    assert refused.code == "unsupported_format"
    assert "This is a PNG with the chunk ABCD in its picture, a kind that is not read here." in refused.reason


def test_such_a_chunk_with_a_wrong_checksum_is_damage() -> None:
    data = png(PIXELS, 8, 2, (b"ABCD", b"??"))
    place = data.index(b"ABCD")
    assert refusal(data[: place + 6] + b"\0\0\0\0" + data[place + 10 :]).code == "unreadable"


def test_a_png_as_apple_packs_it_into_programs_is_named() -> None:
    data = png(PIXELS, 8, 2)
    body = b"CgBI\x50\0\x20\x02"
    apple = data[:8] + struct.pack(">I", 4) + body + struct.pack(">I", zlib.crc32(body)) + data[8:]
    assert "a PNG with the chunk CgBI in its picture" in refusal(apple).reason


@pytest.mark.parametrize("size", [108, 124])
@pytest.mark.parametrize("fourth", [0, 255])
def test_a_bitmap_whose_fourth_byte_is_the_same_everywhere_is_not_clear(size: int, fourth: int) -> None:
    masks = (0x00FF0000, 0x0000FF00, 0x000000FF, 0xFF000000)
    rows = np.dstack([PIXELS[..., ::-1], np.full_like(PIXELS[..., :1], fourth)]).reshape(len(PIXELS), -1)
    assert np.array_equal(np.asarray(read_image(bitmap(rows, 32, compression=3, masks=masks, size=size))), PIXELS)


def test_a_png_that_is_clear_everywhere_is_white_as_it_says() -> None:
    clear = encoded(Image.fromarray(np.dstack([PIXELS, np.zeros_like(PIXELS[..., :1])])), "PNG")
    assert np.asarray(read_image(clear)).min() == 255


def test_a_tiff_that_does_not_say_what_its_fourth_number_is_is_not_clear_because_it_is_0() -> None:
    tags = grey(2, 1, 1) | {258: (SHORT, (8,) * 4), 262: (SHORT, (2,)), 277: (SHORT, (4,))}
    data = tiff_of(tags | {273: (LONG, (8,)), 279: (LONG, (8,))}, bytes([9, 8, 7, 0, 1, 2, 3, 0]))
    assert np.asarray(read_image(data))[0].tolist() == [[9, 8, 7], [1, 2, 3]]


@pytest.mark.parametrize("form", ["AVIF", "HEIC", "PNG"])
def test_the_sentence_about_damage_is_english(form: str) -> None:
    whole = heic(corners()) if form == "HEIC" else encoded(corners(), form)
    assert f"begins like {'a' if form == 'PNG' else 'an'} {form} but" in refusal(whole[: len(whole) // 2]).reason
