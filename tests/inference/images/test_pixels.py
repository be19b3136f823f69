"""The input of a model: exactly timm's own evaluation transform, for any picture; nothing else is ever raised."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from benchmarks.pictures.writing import tiff
from inference.images.pixels import ROOM, EvalTransform, Pixels, model_input, read_pixels, resize_and_crop
from inference.images.reading import UnreadableImage, read_image
from tests.inference.images.hostile import jpeg_claiming, jpeg_of_scans
from tests.inference.images.pictures import (
    ORIENTATION,
    SIZE,
    STORED_AS,
    corners,
    encoded,
    heic,
    huge_png,
    jpeg,
    seen_corners,
)
from tests.inference.images.test_any_bytes import damaged_images

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # of damage that Pillow can live with

CROPS = [0.875, 0.9, 0.95, 1.0, 1.15, 1.7]  # VOLO's is 1.15: a margin all around


def eval_transform(height: int = 64, width: int = 64, **changed: Any) -> EvalTransform:  # noqa: ANN401 - EvalTransform's own
    usual: dict[str, Any] = {"crop_pct": 0.875, "crop_mode": "center", "interpolation": "bicubic"}
    return EvalTransform(height, width, **(usual | changed))


def by_timm(picture: Image.Image, transform: EvalTransform) -> Pixels:
    """What timm's evaluation makes of a picture, before mean and std."""
    from timm.data.transforms_factory import create_transform

    made_by: Any = create_transform(
        (3, transform.height, transform.width), is_training=False, use_prefetcher=True,
        interpolation=transform.interpolation, crop_pct=transform.crop_pct, crop_mode=transform.crop_mode,
        mean=tuple(level / 255 for level in transform.fill),
    )  # fmt: skip
    made: Pixels = made_by(picture).numpy().transpose(1, 2, 0)
    return made


def furthest(one: Pixels, other: Pixels) -> int:
    return int(np.abs(one.astype(int) - other).max())


def noise(width: int, height: int, seed: int = 0, *, least: int = 0, most: int = 255) -> Image.Image:
    """The hardest picture to resize: no two neighbours are alike."""
    numbers = np.random.default_rng(seed)
    return Image.fromarray(numbers.integers(least, most, (height, width, 3), dtype=np.uint8, endpoint=True))


transforms = st.builds(
    eval_transform,
    height=st.integers(16, 96),
    width=st.integers(16, 96),
    crop_pct=st.sampled_from(CROPS),
    crop_mode=st.sampled_from(["center", "squash"]),
    interpolation=st.sampled_from(["bilinear", "bicubic"]),
)
bordered_transforms = st.builds(
    lambda transform, fill: eval_transform(**(vars(transform) | {"crop_mode": "border", "fill": fill})),
    transforms,
    st.tuples(*[st.integers(0, 255)] * 3),
)
square_transforms = st.builds(
    lambda transform: eval_transform(**(vars(transform) | {"width": transform.height})), transforms
)
sides = st.integers(1, 260)


@pytest.mark.torch
@settings(max_examples=200)
@given(transforms | square_transforms | bordered_transforms, sides, sides, st.booleans())
@example(eval_transform(64, 64), 64, 64, False)
@example(eval_transform(64, 64, crop_pct=1.0), 64, 64, False)
@example(eval_transform(48, 96), 1, 1, False)
@example(eval_transform(33, 65, crop_pct=0.9), 260, 3, True)
@example(eval_transform(96, 16, crop_mode="squash"), 3, 260, True)
@example(eval_transform(64, 64, crop_pct=1.15), 100, 75, False)
@example(eval_transform(33, 48, crop_pct=1.15, crop_mode="squash"), 75, 100, False)
@example(eval_transform(64, 64, crop_mode="border", fill=(124, 116, 104)), 260, 40, True)
@example(eval_transform(63, 64, crop_mode="border", crop_pct=1.0, fill=(124, 116, 104)), 31, 200, False)
def test_a_picture_of_any_size_is_exactly_what_timm_makes_of_it(
    transform: EvalTransform, width: int, height: int, black_beside_white: bool
) -> None:
    """Bicubic overshoots beside black and white: there the order of the two passes shows."""
    assume(max(width, height) <= 100 * min(width, height))
    if transform.crop_mode == "border":  # of a thinner picture, timm leaves no line
        assume(
            max(width, height) * transform.crop_pct * 2 <= min(width, height) * min(transform.height, transform.width)
        )
    picture = noise(width, height)
    if black_beside_white:
        picture = picture.point(lambda level: 255 * (level > 127))
    found = model_input(encoded(picture, "PNG"), transform)
    assert found.dtype == np.uint8
    assert found.shape == (transform.height, transform.width, 3)
    assert np.array_equal(found, by_timm(picture, transform))


@pytest.mark.torch
@settings(max_examples=60)
@given(square_transforms, st.integers(8, 200), st.integers(8, 200), st.sampled_from([0, 1, 2]), st.booleans())
def test_a_jpeg_that_is_decoded_whole_is_exactly_what_timm_makes_of_it(
    transform: EvalTransform, width: int, height: int, subsampling: int, progressive: bool
) -> None:
    data = jpeg(noise(width, height), subsampling=subsampling, progressive=progressive, quality=40)
    picture = read_image(data)
    whole = read_pixels(data, transform)
    if whole.shape[:2] == (height, width):
        assert np.array_equal(whole, np.asarray(picture)), "the very pixels that Pillow decodes"
        assert np.array_equal(model_input(data, transform), by_timm(picture, transform))
    else:
        assert min(whole.shape[:2]) >= ROOM * min(transform.resized(height, width))


@settings(max_examples=200)
@given(transforms, st.integers(1, 6000), st.integers(1, 6000))
def test_the_sides_to_resize_to_are_those_of_timm(transform: EvalTransform, width: int, height: int) -> None:
    """And of torchvision, which it is built on: the short side is exact, the long one is rounded down."""
    tall, wide = transform.resized(height, width)
    if transform.crop_mode == "squash" or transform.height != transform.width:
        assert tall >= int(transform.height / transform.crop_pct) - 1
        assert wide >= int(transform.width / transform.crop_pct) - 1
    else:
        short, long = min(tall, wide), max(tall, wide)
        assert short == int(transform.height / transform.crop_pct)
        assert long == int(short * max(width, height) / min(width, height))


@pytest.mark.parametrize("part", [2, 4, 8])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_large_jpeg_is_decoded_at_a_fraction_that_leaves_room_to_resize(part: int, mode: str) -> None:
    transform = eval_transform(64, 64, crop_pct=1.0)
    side = 64 * ROOM * part
    found = read_pixels(jpeg(noise(side + 8 * part, side).convert(mode)), transform)
    assert found.shape == (64 * ROOM, 64 * ROOM + 8, 3)
    for odd in ((side + 1, side), (side, side + 1), (side - part, side)):
        whole = read_pixels(jpeg(noise(*odd).convert(mode)), transform)
        assert whole.shape[0] * whole.shape[1] > found.shape[0] * found.shape[1], "not with half a pixel left over"


@pytest.mark.torch
def test_a_jpeg_decoded_at_a_fraction_is_the_same_picture() -> None:
    """On a photo, without the noise that a smaller decoding leaves out, by a few levels and by 1 on the mean."""
    soft = noise(9, 7).resize((1600, 1200), Image.Resampling.BICUBIC)
    for transform in (
        eval_transform(),
        eval_transform(224, 224, interpolation="bilinear"),
        eval_transform(crop_mode="squash"),
    ):
        data = jpeg(soft, quality=90)
        found, expected = model_input(data, transform), by_timm(read_image(data), transform)
        assert furthest(found, expected) <= 4
        assert np.abs(found.astype(int) - expected).mean() <= 1


@pytest.mark.parametrize("orientation", STORED_AS)
@pytest.mark.parametrize("large", [False, True], ids=["small", "decoded at a fraction"])
def test_a_jpeg_that_the_camera_stored_turned_is_seen_upright(orientation: int, large: bool) -> None:
    upright = corners().resize((SIZE[0] * 16, SIZE[1] * 16)) if large else corners()
    turn = STORED_AS[orientation]
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    stored = upright if turn is None else upright.transpose(turn)
    found = model_input(jpeg(stored, exif=exif), eval_transform(32, 48, crop_pct=1.0, crop_mode="squash"))
    np.testing.assert_allclose(seen_corners(Image.fromarray(found)), seen_corners(corners()), atol=6)


KINDS: dict[str, Callable[[Image.Image], bytes]] = {
    "grey JPEG": lambda it: jpeg(it.convert("L")),
    "CMYK JPEG": lambda it: jpeg(it.convert("CMYK")),
    "two views": lambda it: encoded(it, "MPO", save_all=True, append_images=[Image.new("RGB", it.size)], quality=95),
    "HEIC": heic,
    "AVIF": lambda it: encoded(it, "AVIF"),
    "16-bit TIFF": lambda it: tiff(np.asarray(it.convert("L"), dtype=np.uint16) * 257, "miniswhite"),
    "transparent PNG": lambda it: encoded(Image.merge("RGBA", [*it.split(), it.convert("L")]), "PNG"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_any_kind_of_file_is_the_picture_that_read_image_reads(kind: str) -> None:
    data = KINDS[kind](noise(90, 70))
    assert np.array_equal(read_pixels(data, eval_transform()), np.asarray(read_image(data)))


def rejection(data: bytes, max_pixels: int, *, of_pixels: bool) -> tuple[str, str] | None:
    try:
        if of_pixels:
            model_input(data, eval_transform(), max_pixels=max_pixels)
        else:
            read_image(data, max_pixels=max_pixels)
    except UnreadableImage as refused:
        return refused.code, refused.reason
    return None


UNREADABLE = {
    "nothing": b"",
    "text": b"just some text",
    "a PDF": b"%PDF-1.7\n",
    "JPEG without a picture": b"\xff\xd8\xff\xe0 no JPEG",
    "huge": huge_png(2000, 2000),
    "JPEG that claims to be huge": jpeg_claiming(60_000, 60_000),
    "bomb": jpeg_of_scans(64, 101),
    "line": huge_png(1001, 10),
    "cut PNG": encoded(noise(60, 60), "PNG")[:2000],
    "cut JPEG": jpeg(noise(200, 200))[:9000],
    "cut grey JPEG": jpeg(noise(200, 200).convert("L"))[:9000],
    "cut CMYK JPEG": jpeg(noise(200, 200).convert("CMYK"))[:9000],
    "cut progressive JPEG": jpeg(noise(200, 200), progressive=True, quality=40)[:9000],
    "cut large JPEG": jpeg(noise(1024, 1024))[:500_000],
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read_is_refused_with_the_words_of_read_image(name: str) -> None:
    found = rejection(UNREADABLE[name], 1_100_000, of_pixels=True)
    assert found is not None
    assert found == rejection(UNREADABLE[name], 1_100_000, of_pixels=False)


@settings(max_examples=300)
@given(damaged_images())
def test_a_damaged_file_is_pixels_or_refused_and_never_better_read_than_by_read_image(data: bytes) -> None:
    """The decoder for JPEGs is another one; what it refuses, Pillow may still read."""
    expected = rejection(data, 1_000_000, of_pixels=False)
    found = rejection(data, 1_000_000, of_pixels=True)
    assert found == expected


def test_a_jpeg_cut_anywhere_is_refused_or_was_whole_without_what_is_missing() -> None:
    """Never half a picture, for grey, also at a fraction."""
    for data in (jpeg(noise(60, 80)), jpeg(noise(260, 256).convert("L"), quality=50)):
        transform = eval_transform(64, 64, crop_pct=1.0)
        whole = model_input(data, transform)
        for length in sorted({*range(1, 700, 7), *range(700, len(data), 701), *range(len(data) - 12, len(data))}):
            with suppress(UnreadableImage):
                assert np.array_equal(model_input(data[:length], transform), whole), length


@settings(max_examples=100)
@given(transforms, st.integers(1, 150), st.integers(1, 150))
def test_the_middle_lies_in_memory_as_a_picture_does_line_by_line(
    transform: EvalTransform, height: int, width: int
) -> None:
    """Compiled code takes the bytes as they lie; the crop may leave out the ends of lines, and nothing else."""
    found = resize_and_crop(np.asarray(noise(width, height)).copy(), transform)
    row, column, channel = found.strides
    assert (column, channel) == (3, 1)
    assert row >= 3 * transform.width
    assert np.ascontiguousarray(found).strides == (3 * transform.width, 3, 1)


def test_a_picture_that_fits_is_cut_without_a_copy() -> None:
    pixels = np.asarray(noise(80, 64)).copy()
    found = resize_and_crop(pixels, eval_transform(64, 64, crop_pct=1.0))
    assert np.shares_memory(found, pixels)
    assert np.array_equal(found, pixels[:, 8:72])


@pytest.mark.parametrize(
    "changed",
    [
        {"crop_mode": "stretch"},
        {"interpolation": "lanczos"},
        {"interpolation": "random"},
        {"crop_pct": 0},
        {"crop_pct": 65},
        {"input_size": (3, 0, 64)},
    ],
)
def test_a_transform_that_no_model_of_timm_uses_is_refused(changed: dict[str, object]) -> None:
    usual = {"input_size": (3, 64, 64), "crop_pct": 0.9, "crop_mode": "center", "interpolation": "bicubic"}
    assert EvalTransform.of(usual) == eval_transform(crop_pct=0.9)
    with pytest.raises(ValueError, match=r"not supported|nothing to look at"):
        EvalTransform.of(usual | changed)


def test_a_border_has_the_mean_of_the_model_and_every_other_margin_is_black() -> None:
    white = np.full((20, 64, 3), 255, dtype=np.uint8)
    usual = {"input_size": (3, 64, 64), "crop_pct": 1.0, "interpolation": "bicubic", "mean": (0.485, 0.456, 0.406)}
    bordered = resize_and_crop(white, EvalTransform.of(usual | {"crop_mode": "border"}))
    assert [tuple(line) for line in bordered[:, 5].tolist()] == [(124, 116, 104)] * 22 + [(255,) * 3] * 20 + [
        (124, 116, 104)
    ] * 22
    framed = resize_and_crop(white, EvalTransform.of(usual | {"crop_mode": "center", "crop_pct": 2.0}))
    assert framed[:16].max() == framed[48:].max() == 0
    assert framed[16:48].min() == 255


@settings(max_examples=50)
@given(bordered_transforms, st.integers(1, 3), st.integers(300, 3000), st.booleans())
def test_a_border_leaves_at_least_a_line_of_any_picture(
    transform: EvalTransform, short: int, long: int, upright: bool
) -> None:
    pixels = np.full((long, short, 3) if upright else (short, long, 3), 255, dtype=np.uint8)
    assert resize_and_crop(pixels, transform).shape == (transform.height, transform.width, 3)
    assert min(transform.resized(*pixels.shape[:2])) >= 1


def test_the_limit_of_pixels_is_of_the_picture_not_of_what_is_decoded() -> None:
    data = jpeg(noise(1024, 1024), quality=50)
    assert model_input(data, eval_transform(), max_pixels=1024 * 1024).shape == (64, 64, 3)
    with pytest.raises(UnreadableImage, match="more than the limit"):
        model_input(data, eval_transform(), max_pixels=1024 * 1024 - 1)


def test_the_bytes_may_be_read_again() -> None:
    data = jpeg(noise(300, 200))
    assert np.array_equal(
        model_input(data, eval_transform()), model_input(io.BytesIO(data).getvalue(), eval_transform())
    )
