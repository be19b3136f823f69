"""Greys of any depth: black and white are what the file declares; one odd pixel changes nothing but itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from benchmarks.pictures.writing import packed_tiff, png, tiff
from inference.images.reading import UnreadableImage, read_image
from tests.inference.images.pictures import encoded

MANY = 2000  # values, of which one is no longer one in a thousand
FLOATS = np.linspace(0, 1, MANY, dtype=np.float32)[None]


def levels(data: bytes) -> list[int]:
    """The first line of what is read."""
    found: list[int] = np.asarray(read_image(data))[0, :, 0].tolist()
    return found


def ramp(most: float = 1, least: float = 0) -> NDArray[np.float64]:
    """Values from `least` to `most` (40, 50), that nothing but a right scale makes 0 to 255."""
    return np.linspace(least, most, MANY).reshape(40, 50)


def assert_is_the_ramp(data: bytes, tolerance: int = 1) -> None:
    found = np.asarray(read_image(data))[..., 0].astype(int)
    assert np.abs(found - np.rint(ramp(255))).max() <= tolerance


@pytest.mark.parametrize(
    ("values", "photometric", "expected"),
    [
        (np.array([[0, 257, 32896, 65535]], np.uint16), "miniswhite", [255, 254, 127, 0]),
        (np.array([[0, 257, 32896, 65535]], np.uint16), "minisblack", [0, 1, 128, 255]),
        (np.array([[-128, -1, 0, 127]], np.int8), "minisblack", [0, 127, 128, 255]),
        (np.array([[0.0, 0.25, 1.0]], np.float32), "miniswhite", [255, 191, 0]),
        (np.array([[0, 2**31, 2**32 - 1]], np.uint32), "minisblack", [0, 128, 255]),
        (np.array([[1 - 2**15, 0, 2**15 - 1]], np.int16), "minisblack", [0, 128, 255]),
        (np.array([[-(2**31) + 1, 0, 2**31 - 1]], np.int32), "minisblack", [0, 128, 255]),
    ],
    ids=["16, white is 0", "16", "signed 8", "float, white is 0", "32 to its end", "signed 16", "signed 32"],
)
@pytest.mark.parametrize("compression", [None, "deflate"])
def test_black_and_white_are_what_the_file_declares(
    values: NDArray[Any], photometric: str, expected: list[int], compression: str | None
) -> None:
    assert levels(tiff(values, photometric, compression=compression)) == expected


@pytest.mark.parametrize("kind", ["i2", "i4", "f4", "u2"])
@pytest.mark.parametrize("compression", [None, "deflate", "lzw"])
def test_the_byte_order_changes_nothing_even_if_the_file_is_compressed(kind: str, compression: str | None) -> None:
    """libtiff hands out the machine's order; Pillow swaps it once more."""
    whole = ramp(65535 if kind == "u2" else 1 if kind == "f4" else np.iinfo(kind).max).astype(kind)
    for order in "<>":
        assert_is_the_ramp(tiff(whole, "minisblack", byteorder=order, compression=compression))


@pytest.mark.parametrize("bits", [1, 2, 4, 12])
def test_the_largest_number_of_any_depth_is_white(bits: int) -> None:
    most = 2**bits - 1
    assert levels(packed_tiff(np.array([[0, most // 2, most, 0]]), bits, 1)) == [0, (most // 2) * 255 // most, 255, 0]


@pytest.mark.parametrize("odd", [1.01, 255, 1e9, -1, -1e9])
def test_one_float_far_away_does_not_change_the_others(odd: float) -> None:
    values = ramp().astype(np.float32)
    values[20, 25] = odd
    found = np.asarray(read_image(tiff(values, "minisblack")))[..., 0].astype(int)
    expected = np.rint(ramp(255))
    expected[20, 25] = 255 if odd > 0 else 0
    assert np.abs(found - expected).max() <= 1


@pytest.mark.parametrize(
    ("mark", "options"),
    [
        (np.nan, {}),
        (-9999, {}),
        (-32768, {}),
        (float(np.finfo(np.float32).min), {}),
        (1e38, {}),
        (7.5, {"extratags": [(42113, "s", 0, "7.5", True)]}),
    ],
    ids=["NaN", "-9999", "-32768", "the least float", "1e38", "GDAL_NODATA"],
)
@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
def test_what_has_no_value_is_black_and_the_rest_is_as_without_it(
    mark: float, options: dict[str, Any], photometric: str
) -> None:
    values = ramp().astype(np.float32)
    values[10:30] = mark
    found = np.asarray(read_image(tiff(values, photometric, **options)))[..., 0].astype(int)
    expected = np.rint(ramp(255)) if photometric == "minisblack" else 255 - np.rint(ramp(255))
    expected[10:30] = 0
    assert np.abs(found - expected).max() <= 1


@pytest.mark.parametrize("mark", ["", "none", "nan", "1e999"])
def test_a_mark_that_is_no_number_costs_nothing(mark: str) -> None:
    assert_is_the_ramp(tiff(FLOATS.reshape(40, 50), "minisblack", extratags=[(42113, "s", 0, mark, True)]))


@pytest.mark.parametrize(
    ("kind", "least", "most"),
    [
        ("f4", 0, 255), ("f4", 0, 65535), ("f4", -3, 12), ("f4", 100, 900), ("u4", 0, 255), ("u4", 0, 65535),
        ("u4", 0, 2**32 - 1), ("i4", 0, 255), ("i4", 0, 65535), ("i2", 0, 255), ("i2", 0, 2**15 - 1), ("i2", -1024, 3071),
    ],
)  # fmt: skip
def test_of_values_without_a_declared_white_the_range_is_the_usual_one_or_their_own(
    kind: str, least: float, most: float
) -> None:
    assert_is_the_ramp(tiff(ramp(most, least).astype(kind), "minisblack"), tolerance=2)


def test_a_dark_picture_stays_dark() -> None:
    """Of the scales that begin at 0 the first one holds whatever part of it is used."""
    assert np.asarray(read_image(tiff((FLOATS / 10).reshape(40, 50), "minisblack"))).max() == 26
    assert np.asarray(read_image(tiff(ramp(20).astype(np.uint32), "minisblack"))).max() == 20


@pytest.mark.parametrize(("least", "most"), [(340, 341), (280, 281)])
def test_a_declared_range_is_black_and_white(least: int, most: int) -> None:
    tags = [(least, "f", 1, -2.0, True), (most, "f", 1, 6.0, True)]
    assert levels(tiff(np.array([[-2, 2, 6, 9]], np.float32), "minisblack", extratags=tags)) == [0, 128, 255, 255]


def test_a_declared_range_that_makes_no_sense_is_none() -> None:
    for values in ((1.0, 0.0), (0.0, 0.0), (float("nan"), 1.0), (0.0, float("inf"))):
        tags = [(340, "f", 1, values[0], True), (341, "f", 1, values[1], True)]
        assert_is_the_ramp(tiff(ramp().astype(np.float32), "minisblack", extratags=tags))


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0, 7.0, -7.0])
def test_a_picture_of_one_value_is_read(value: float) -> None:
    found = set(levels(tiff(np.full((5, 5), value, np.float32), "minisblack")))
    assert found == {{0.0: 0, 0.5: 128, 1.0: 255}.get(value, 255 if value == 7 else 0)}


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("compression", [None, "deflate"])
def test_a_palette_may_keep_its_colours_in_8_bits(bits: int, compression: str | None) -> None:
    colours = np.zeros((3, 256), np.uint16)
    colours[:, :3] = np.array([[255, 0, 9], [0, 200, 9], [10, 0, 9]])
    wide = colours * (257 if bits == 16 else 1)
    data = tiff(np.array([[0, 1, 2]], np.uint8), "palette", colormap=wide, compression=compression)
    assert np.asarray(read_image(data))[0].tolist() == [[255, 0, 10], [0, 200, 0], [9, 9, 9]]


def test_a_palette_of_black_alone_is_black() -> None:
    data = tiff(np.zeros((4, 4), np.uint8), "palette", colormap=np.zeros((3, 256), np.uint16))
    assert set(levels(data)) == {0}


@pytest.mark.parametrize("bits", [2, 4, 8, 16])
def test_the_one_grey_that_a_png_declares_clear_is_white_in_any_depth(bits: int) -> None:
    most = 2**bits - 1
    clear = most // 3
    data = png(np.array([[clear, most, 0]]), bits, 0, (b"tRNS", clear.to_bytes(2)))
    assert levels(data) == [255, 255, 0]


def test_a_png_of_16_bits_is_read_as_before() -> None:
    deep = Image.fromarray(np.array([[0, 128, 257, 32896, 65535]], dtype=np.uint16))
    assert levels(encoded(deep, "PNG")) == [0, 0, 1, 128, 255]


def test_a_large_picture_is_read_in_parts_as_a_small_one() -> None:
    """Its range is taken from a part of its values."""
    values = np.linspace(0, 100, 1200 * 1100, dtype=np.float32).reshape(1200, 1100)
    found = np.asarray(read_image(tiff(values, "minisblack")))[..., 0].astype(int)
    assert np.abs(found - np.linspace(0, 100, values.size).reshape(values.shape)).max() <= 1


def test_a_tag_of_a_wrong_type_raises_nothing_else() -> None:
    for tags in ([(42113, "d", 3, (1.0, 2.0, 3.0), True)], [(340, "s", 0, "a", True), (341, "s", 0, "b", True)]):
        try:
            read_image(tiff(ramp().astype(np.float32), "minisblack", extratags=tags))
        except UnreadableImage as refused:
            raise AssertionError(refused.reason) from refused


@pytest.mark.parametrize("mark", [-99999, -999, -1e10, 9999, 1e20, 255, 65535, 1e9])
@pytest.mark.parametrize("where", ["rows", "pixels"])
def test_a_value_that_is_repeated_far_from_all_others_is_none(mark: float, where: str) -> None:
    values = ramp().astype(np.float32)
    holes = np.zeros(values.shape, bool)
    if where == "rows":
        holes[::10] = True
    else:
        holes.reshape(-1)[::10] = True
    values[holes] = mark
    found = np.asarray(read_image(tiff(values, "minisblack")))[..., 0].astype(int)
    assert np.abs(found - np.where(holes, 0, np.rint(ramp(255)))).max() <= 1


def test_two_such_values_in_one_picture_are_none() -> None:
    values = ramp().astype(np.float32)
    values[0], values[-1] = -99999, 1e20
    found = np.asarray(read_image(tiff(values, "minisblack")))[..., 0].astype(int)
    assert np.abs(found[1:-1] - np.rint(ramp(255))[1:-1]).max() <= 1
    assert set(found[0]) | set(found[-1]) == {0}


@pytest.mark.parametrize("kind", ["i2", "i4", "u4"])
def test_so_it_is_among_integers(kind: str) -> None:
    values = np.rint(ramp(200)).astype(kind)
    mark = 30_000 if kind == "u4" else -30_000
    values[::10] = mark
    found = np.asarray(read_image(tiff(values, "minisblack")))[..., 0]
    assert np.array_equal(found, np.where(values == mark, 0, values))


def test_white_in_a_dark_picture_stays_white() -> None:
    """Saturated stars: one value, repeated and far from all others, but the end of a usual scale."""
    for most in (255, 65535):
        values = np.random.default_rng(1).uniform(0, most / 100, (100, 100)).astype(np.float32)
        values[::10] = most
        found = np.asarray(read_image(tiff(values, "minisblack")))[..., 0]
        assert set(found[::10].flat) == {255}
        assert found[1].max() <= 3


def test_a_picture_of_two_values_has_both() -> None:
    values = np.full((10, 10), 3.0, np.float32)
    values[:5] = 5000
    assert set(np.asarray(read_image(tiff(values, "minisblack"))).flat) == {0, 255}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 3e38, -9999.0, -32768.0])
def test_a_picture_without_any_value_is_refused(value: float) -> None:
    with pytest.raises(UnreadableImage, match="None of its pixels has a value") as caught:
        read_image(tiff(np.full((5, 5), value, np.float32), "minisblack"))
    assert caught.value.code == "unreadable"


@pytest.mark.parametrize("tag", [281, 341])
@pytest.mark.parametrize("white", [1023, 4095, 16383])
@pytest.mark.parametrize("order", ["<", ">"])
def test_fewer_bits_in_16_are_read_by_the_white_that_the_file_declares(tag: int, white: int, order: str) -> None:
    data = tiff(
        np.rint(ramp(white)).astype(np.uint16), "minisblack", extratags=[(tag, "H", 1, white, True)], byteorder=order
    )
    assert_is_the_ramp(data)
    if order == "<":
        turned = tiff(np.rint(ramp(0, white)).astype(np.uint16), "miniswhite", extratags=[(tag, "H", 1, white, True)])
        assert_is_the_ramp(turned)


def test_a_largest_value_that_is_a_mere_statistic_or_untrue_changes_nothing() -> None:
    values = np.rint(ramp(65535)).astype(np.uint16)
    for tag, white in ((281, 60_000), (341, 60_000), (281, 4095), (341, 4095), (281, 0)):
        assert_is_the_ramp(tiff(values, "minisblack", extratags=[(tag, "H", 1, white, True)]))


def test_colours_of_fewer_bits_in_16_are_refused_for_they_would_be_near_black() -> None:
    values = np.full((4, 4, 3), 4095, np.uint16)
    with pytest.raises(UnreadableImage, match="a TIFF of 3 x 16 bits RGB with white at 4095, a kind") as caught:
        read_image(tiff(values, "rgb", extratags=[(341, "H", 3, (4095,) * 3, True)]))
    assert caught.value.code == "unsupported_format"


def test_a_picture_with_a_declared_range_and_no_value_is_refused() -> None:
    tags = [(340, "f", 1, 0.0, True), (341, "f", 1, 1.0, True)]
    with pytest.raises(UnreadableImage, match="None of its pixels"):
        read_image(tiff(np.full((5, 5), np.nan, np.float32), "minisblack", extratags=tags))
