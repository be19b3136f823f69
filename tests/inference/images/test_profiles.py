"""Colours of another space than sRGB become sRGB by the profile in the file; a profile never costs the picture."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import pyvips
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from inference.images.pixels import EvalTransform, model_input, read_pixels
from inference.images.profiles import MAX_PROFILE_BYTES
from inference.images.reading import read_image
from tests.inference.images.hostile import png, zeros
from tests.inference.images.pictures import GREEN_AND_RED_EXCHANGED, SRGB, corners, encoded, heic, jpeg

AWKWARD = Path(__file__).parents[4] / "shared" / "data" / "awkward" / "colour_space"
FORMATS = {
    "JPEG": lambda it, profile: jpeg(it, icc_profile=profile),
    "PNG": lambda it, profile: encoded(it, "PNG", icc_profile=profile),
    "WEBP": lambda it, profile: encoded(it, "WEBP", lossless=True, icc_profile=profile),
    "TIFF": lambda it, profile: encoded(it, "TIFF", icc_profile=profile),
    "HEIC": lambda it, profile: heic(it, icc_profile=profile),
    "AVIF": lambda it, profile: encoded(it, "AVIF", quality=95, subsampling="4:4:4", icc_profile=profile),
}


def exchanged(picture: Image.Image) -> Image.Image:
    red, green, blue = picture.split()
    return Image.merge("RGB", (green, red, blue))


def furthest(one: Image.Image, other: Image.Image) -> float:
    return float(np.abs(np.asarray(one).astype(int) - np.asarray(other)).mean())


@pytest.mark.parametrize("form", FORMATS)
def test_colours_become_srgb_by_the_profile_of_the_file(form: str) -> None:
    assert furthest(read_image(FORMATS[form](corners(), GREEN_AND_RED_EXCHANGED)), exchanged(corners())) < 4


@pytest.mark.parametrize("form", FORMATS)
def test_a_picture_that_is_srgb_keeps_its_very_pixels(form: str) -> None:
    bare = read_image(FORMATS[form](corners(), None))
    assert read_image(FORMATS[form](corners(), SRGB)).tobytes() == bare.tobytes()


@pytest.mark.parametrize(
    "profile",
    [b"a profile", SRGB[:200], b"\0" * 400, SRGB + bytes(MAX_PROFILE_BYTES)],
    ids=["text", "cut", "zeros", "huge"],
)
def test_a_profile_that_is_none_does_not_cost_the_picture(profile: bytes) -> None:
    for form in ("JPEG", "PNG", "WEBP"):
        bare = read_image(FORMATS[form](corners(), None))
        assert read_image(FORMATS[form](corners(), profile)).tobytes() == bare.tobytes()
    assert read_image(png(10, 10, (b"iCCP", b"a\0\0" + zeros(10**8)), pixels=zeros(310))).size == (10, 10)


def test_a_profile_of_other_colours_than_the_files_is_not_applied() -> None:
    """A grey picture, and one of inks, with a profile of RGB; and RGB with one of Lab."""
    for picture in (corners().convert("L"), corners().convert("CMYK")):
        bare = read_image(jpeg(picture))
        assert read_image(jpeg(picture, icc_profile=GREEN_AND_RED_EXCHANGED)).tobytes() == bare.tobytes()
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    assert read_image(jpeg(corners(), icc_profile=lab)).tobytes() == read_image(jpeg(corners())).tobytes()


def test_the_model_sees_what_read_image_reads_also_of_a_large_jpeg() -> None:
    transform = EvalTransform(32, 48, 1.0, "squash", "bicubic")
    data = jpeg(corners().resize((48 * 8, 32 * 8)), icc_profile=GREEN_AND_RED_EXCHANGED)
    assert read_pixels(data, transform).shape < (200, 300, 3)
    assert furthest(Image.fromarray(model_input(data, transform)), exchanged(corners())) < 6


def test_what_is_clear_lies_on_white_in_any_space() -> None:
    clear = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    assert np.asarray(read_image(encoded(clear, "PNG", icc_profile=GREEN_AND_RED_EXCHANGED))).min() == 255


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, len(SRGB) - 1), st.integers(0, 255)), max_size=8), st.integers(0, len(SRGB)))
def test_a_damaged_profile_is_applied_or_not_and_nothing_is_raised(changes: list[tuple[int, int]], length: int) -> None:
    damaged = bytearray(GREEN_AND_RED_EXCHANGED)
    for place, value in changes:
        damaged[place] = value
    assert read_image(jpeg(corners(), icc_profile=bytes(damaged[: max(1, length)]))).size == corners().size


@pytest.mark.skipif(not AWKWARD.is_dir(), reason="needs ../shared/data/awkward, which is not part of the project")
@pytest.mark.parametrize("name", ["sample-xyb.jpg", "icc_profile_big.jpg"])
def test_a_picture_that_is_garbled_without_its_profile_is_read_as_libvips_reads_it(name: str) -> None:
    data = (AWKWARD / name).read_bytes()
    other = pyvips.Image.new_from_buffer(data, "").icc_transform("srgb").numpy()
    assert np.abs(np.asarray(Image.open(io.BytesIO(data))).astype(int) - other).mean() > 5
    assert np.abs(np.asarray(read_image(data)).astype(int) - other).mean() < 0.1
