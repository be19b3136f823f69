"""Bytes become a picture that is upright, in its own colours, RGB; or an UnreadableImage that says what to do."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from inference.images.reading import UnreadableImage, read_image
from tests.inference.images.pictures import (
    BLUE,
    GREEN,
    ORIENTATION,
    RED,
    SIZE,
    STORED_AS,
    WHITE,
    corners,
    encoded,
    huge_png,
    jpeg,
    seen_corners,
)


def assert_upright_and_right_coloured(picture: Image.Image, tolerance: int = 0) -> None:
    assert picture.mode == "RGB"
    assert picture.size == SIZE
    np.testing.assert_allclose(seen_corners(picture), [RED, GREEN, BLUE, WHITE], atol=tolerance)


def refusal(data: bytes) -> UnreadableImage:
    with pytest.raises(UnreadableImage) as caught:
        read_image(data)
    return caught.value


@pytest.mark.parametrize("file_format", ["PNG", "GIF", "BMP", "TIFF", "WEBP"])
def test_every_format_keeps_the_picture(file_format: str) -> None:
    options = {"lossless": True} if file_format == "WEBP" else {}
    assert_upright_and_right_coloured(read_image(encoded(corners(), file_format, **options)))


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_keeps_the_picture_to_a_few_levels(progressive: bool) -> None:
    assert_upright_and_right_coloured(read_image(jpeg(corners(), progressive=progressive)), tolerance=6)


@pytest.mark.parametrize(("orientation", "stored_as"), STORED_AS.items())
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_picture_that_the_camera_stored_turned_is_read_upright(
    orientation: int, stored_as: Image.Transpose | None, file_format: str
) -> None:
    stored = corners() if stored_as is None else corners().transpose(stored_as)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    options = {"lossless": True} if file_format == "WEBP" else {}
    data = jpeg(stored, exif=exif) if file_format == "JPEG" else encoded(stored, file_format, exif=exif, **options)
    assert_upright_and_right_coloured(read_image(data), tolerance=6)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data:UserWarning")  # Pillow says so, and goes on
def test_broken_exif_does_not_cost_the_picture() -> None:
    broken = b"Exif\x00\x00MM\x00\x2a\x00\x00\x00\x08\xff\xff\x01\x12\x00\x03"
    assert_upright_and_right_coloured(read_image(jpeg(corners(), exif=broken)), tolerance=6)


def test_the_place_and_the_camera_of_a_photo_are_dropped() -> None:
    exif = Image.Exif()
    exif[0x010F] = "a camera"
    exif.get_ifd(0x8825)[2] = (47.0, 22.0, 33.0)
    picture = read_image(jpeg(corners(), exif=exif, icc_profile=b"a profile", comment=b"at home"))
    assert picture.info == {}
    assert not picture.getexif()


def test_a_cmyk_jpeg_as_photoshop_inverts_it_keeps_its_colours() -> None:
    data = jpeg(corners().convert("CMYK"))
    assert b"Adobe" in data, "the marker of inverted values"
    assert_upright_and_right_coloured(read_image(data), tolerance=6)


def test_a_grey_jpeg_becomes_three_equal_channels() -> None:
    picture = read_image(jpeg(Image.new("L", (8, 8), 77)))
    assert picture.getpixel((4, 4)) == (77, 77, 77)


@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_sixteen_bit_greys_are_scaled_not_clipped(file_format: str) -> None:
    ramp = np.array([[0, 128, 257, 32896, 65535]], dtype=np.uint16)
    picture = read_image(encoded(Image.fromarray(ramp), file_format))
    assert np.asarray(picture)[0, :, 0].tolist() == [0, 0, 1, 128, 255]


def test_a_big_endian_sixteen_bit_tiff_is_scaled_too() -> None:
    ramp = Image.fromarray(np.array([[0, 257, 65535]], dtype=">u2"))
    assert ramp.mode == "I;16B"
    assert np.asarray(read_image(encoded(ramp, "TIFF")))[0, :, 1].tolist() == [0, 1, 255]


@pytest.mark.parametrize(
    ("values", "levels"),
    [([0.0, 0.5, 1.0], [0, 128, 255]), ([0.0, 10.0, 255.0], [0, 10, 255]), ([-100.0, 0.0, 155.0], [0, 100, 255])],
    ids=["0 to 1", "0 to 255", "below 0"],
)
def test_float_greys_are_scaled_to_the_white_that_they_seem_to_mean(values: list[float], levels: list[int]) -> None:
    data = encoded(Image.fromarray(np.array([values], dtype=np.float32)), "TIFF")
    assert np.asarray(read_image(data))[0, :, 0].tolist() == levels


def test_numbers_that_are_none_become_black() -> None:
    data = encoded(Image.fromarray(np.array([[np.nan, np.inf, 1.0]], dtype=np.float32)), "TIFF")
    assert np.asarray(read_image(data))[0, :, 0].tolist() == [0, 0, 255]


def test_a_one_bit_picture_is_black_and_white() -> None:
    picture = Image.new("1", (2, 1))
    picture.putpixel((1, 0), 1)
    assert np.asarray(read_image(encoded(picture, "PNG")))[0, :, 2].tolist() == [0, 255]


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_lies_on_white(mode: str) -> None:
    clear, half, solid = (Image.new(mode, (1, 1), (0, 0, 0, a) if mode == "RGBA" else (0, a)) for a in (0, 128, 255))
    strip = Image.new(mode, (3, 1))
    for place, piece in enumerate((clear, half, solid)):
        strip.paste(piece, (place, 0))
    assert np.asarray(read_image(encoded(strip, "PNG")))[0, :, 0].tolist() == [255, 127, 0]


def test_a_palette_with_alpha_lies_on_white() -> None:
    strip = Image.new("P", (3, 1))
    strip.putpalette([*RED, *BLUE, *GREEN])
    for index in range(3):
        strip.putpixel((index, 0), index)
    picture = read_image(encoded(strip, "PNG", transparency=bytes([255, 0, 255])))
    assert [picture.getpixel((x, 0)) for x in range(3)] == [RED, WHITE, GREEN]


@pytest.mark.parametrize("mode", ["L", "RGB", "I;16"])
def test_the_one_colour_that_a_png_declares_clear_is_white(mode: str) -> None:
    strip = Image.fromarray(np.array([[0, 500]], dtype=np.uint16)) if mode == "I;16" else Image.new(mode, (2, 1))
    clear = (0, 0, 0) if mode == "RGB" else 0
    assert read_image(encoded(strip, "PNG", transparency=clear)).getpixel((0, 0)) == WHITE


@pytest.mark.parametrize("file_format", ["GIF", "WEBP", "PNG", "TIFF", "MPO"])
def test_of_many_frames_the_first_is_read(file_format: str) -> None:
    options = {"lossless": True} if file_format == "WEBP" else {"quality": 95} if file_format == "MPO" else {}
    others = [Image.new("RGB", SIZE, "black")] * 2
    data = encoded(corners(), file_format, save_all=True, append_images=others, **options)
    assert_upright_and_right_coloured(read_image(data), tolerance=6 if file_format == "MPO" else 0)


def test_one_pixel_is_a_picture() -> None:
    assert read_image(encoded(Image.new("RGB", (1, 1), GREEN), "PNG")).getpixel((0, 0)) == GREEN


def test_a_huge_png_is_refused_before_a_pixel_is_decoded() -> None:
    data = huge_png(30_000, 30_000)
    assert len(data) < 200_000
    refused = refusal(data)
    assert refused.code == "too_many_pixels"
    assert "limit of 50 million" in refused.reason


def test_the_limit_names_the_size_and_can_be_lowered() -> None:
    data = huge_png(1000, 1001)
    read_image(data, max_pixels=1_001_000)
    with pytest.raises(UnreadableImage, match=r"1000 x 1001 pixels, more than the limit of 1 million") as caught:
        read_image(data, max_pixels=1_000_000)
    assert caught.value.code == "too_many_pixels"


def test_a_line_of_pixels_is_refused_for_resizing_would_make_it_huge() -> None:
    read_image(huge_png(1000, 10))
    refused = refusal(huge_png(1001, 10))
    assert refused.code == "unreadable"
    assert "1001 x 10" in refused.reason


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"just some text", "This is text"),
        ("ein längerer Text ".encode() * 100, "This is text"),
        (b"%PDF-1.7\n\x00", "a PDF document"),
        (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "an SVG drawing"),
        (b"<!DOCTYPE html><html><body>404</body></html>", "a web page"),
        (b"\xff\x0a\xfa\x1f", "a JPEG XL image"),
        (b"\x00\x00\x00\x1cftypisom\x00\x00\x00\x00", "a video"),
        (b"\x00\x00\x01\x00\x01\x00\x10\x10", "an ICO icon"),
        (b"\xfe\xed\xfa\xce\x00\x01", "no image format that is known here"),
    ],
)
def test_what_is_no_supported_image_is_named_with_what_to_do(data: bytes, words: str) -> None:
    refused = refusal(data)
    assert refused.code == "unsupported_format"
    assert words in refused.reason
    assert "Convert it to JPEG or PNG" in refused.reason


def test_a_format_that_pillow_could_read_but_we_do_not_offer_is_refused() -> None:
    assert refusal(encoded(corners(), "ICO")).code == "unsupported_format"
    assert refusal(encoded(corners(), "PPM")).code == "unsupported_format"


def test_an_empty_file_says_so() -> None:
    refused = refusal(b"")
    assert refused.code == "unreadable"
    assert "empty" in refused.reason


def test_a_cut_jpeg_is_unreadable_never_half_a_picture() -> None:
    data = jpeg(corners().resize((480, 320)))
    for length in range(1024, len(data) - 64, 1024):
        refused = refusal(data[:length])
        assert refused.code == "unreadable"
        assert "begins like a JPEG" in refused.reason


def test_a_png_with_a_corrupt_chunk_is_unreadable() -> None:
    data = bytearray(encoded(corners(), "PNG"))
    data[data.index(b"IDAT") + 8] ^= 0xFF
    assert refusal(bytes(data)).code == "unreadable"


def test_a_png_without_its_palette_is_unreadable() -> None:
    data = encoded(corners().convert("P"), "PNG")
    begin, end = data.index(b"PLTE") - 4, data.index(b"IDAT") - 4
    refused = refusal(data[:begin] + data[end:])
    assert refused.code == "unreadable"
    assert "palette is missing" in refused.reason


def test_a_reason_holds_no_address_of_this_process() -> None:
    assert "0x" not in refusal(b"\x89PNG\r\n\x1a\n").reason
