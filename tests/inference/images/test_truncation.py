"""A file is whole if the pixels of its first picture are all in it; what only says 'the end' may be missing."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from inference.images.pixels import EvalTransform, model_input
from inference.images.reading import UnreadableImage, read_image
from tests.inference.images.pictures import encoded, jpeg

NOISE = Image.fromarray(np.random.default_rng(3).integers(0, 256, (60, 80, 3), dtype=np.uint8))
KINDS = {
    "baseline": jpeg(NOISE),
    "4:2:0": jpeg(NOISE, subsampling=2, quality=60),
    "grey": jpeg(NOISE.convert("L")),
    "progressive": jpeg(NOISE, progressive=True),
    "progressive grey": jpeg(NOISE.convert("L"), progressive=True),
    "restarts": jpeg(NOISE, restart_marker_blocks=1),
    "CMYK": jpeg(NOISE.convert("CMYK")),
    "progressive CMYK": jpeg(NOISE.convert("CMYK"), progressive=True),
}
LARGE = jpeg(NOISE.resize((800, 600)), quality=80)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("missing", [1, 2])
def test_a_jpeg_that_lacks_only_its_end_mark_is_whole(kind: str, missing: int) -> None:
    whole = KINDS[kind]
    assert whole.endswith(b"\xff\xd9")
    assert np.array_equal(np.asarray(read_image(whole[:-missing])), np.asarray(read_image(whole)))


@pytest.mark.parametrize("kind", KINDS)
def test_a_jpeg_that_lacks_a_byte_of_its_pixels_is_cut_short(kind: str) -> None:
    whole = KINDS[kind]
    for missing in (4, 5, 10, 100, 500):
        with pytest.raises(UnreadableImage, match="cut short"):
            read_image(whole[:-missing])


@pytest.mark.parametrize("kind", ["progressive", "progressive grey", "progressive CMYK"])
def test_a_progressive_jpeg_that_lacks_its_last_scan_is_cut_short_even_between_two_scans(kind: str) -> None:
    """It would be a picture with less in it, and no decoder says a word."""
    whole = KINDS[kind]
    scans = [place for place in range(len(whole)) if whole[place : place + 2] in (b"\xff\xda", b"\xff\xc4")]
    for place in scans[3:]:
        with pytest.raises(UnreadableImage, match="cut short"):
            read_image(whole[:place])


def test_a_jpeg_of_one_scan_for_each_colour_that_lacks_one_is_cut_short() -> None:
    """Each of the first two is the whole of a colour."""
    whole = KINDS["baseline"]
    scan = whole.index(b"\xff\xda")
    separate = whole[:scan] + b"".join(
        b"\xff\xda\0\x08\x01" + bytes([n, 0x00 if n == 1 else 0x11, 0, 63, 0]) for n in (1, 2)
    )
    with pytest.raises(UnreadableImage, match="cut short"):
        read_image(separate)


def test_the_model_sees_the_same_pixels_with_and_without_the_end_mark() -> None:
    transform = EvalTransform(64, 64, 1.0, "center", "bicubic")
    assert np.array_equal(model_input(LARGE[:-2], transform), model_input(LARGE, transform))


def test_what_lies_behind_the_end_mark_changes_nothing() -> None:
    whole = np.asarray(read_image(KINDS["baseline"]))
    for more in (b"\0" * 100, b"trailing words", b"\xff", KINDS["grey"], KINDS["grey"][:-2], KINDS["grey"][:500]):
        assert np.array_equal(np.asarray(read_image(KINDS["baseline"] + more)), whole)


@pytest.mark.parametrize(("form", "end"), [("GIF", 1), ("WEBP", 0), ("BMP", 0), ("AVIF", 0)])
def test_other_formats_keep_to_the_same_rule(form: str, end: int) -> None:
    whole = encoded(NOISE, form)
    assert np.array_equal(np.asarray(read_image(whole[: len(whole) - end])), np.asarray(read_image(whole)))
    with pytest.raises(UnreadableImage, match="cut short"):
        read_image(whole[: len(whole) - end - 40])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.3, 0.5, 0.8])
def test_half_a_jpeg_that_somebody_closed_with_an_end_mark_is_cut_short(kind: str, share: float) -> None:
    assert_is_cut_short(KINDS[kind][: int(len(KINDS[kind]) * share)] + b"\xff\xd9")


@pytest.mark.parametrize("whole", [LARGE, KINDS["4:2:0"], KINDS["restarts"]], ids=["large", "4:2:0", "restarts"])
def test_a_jpeg_with_a_hole_after_which_pixels_are_missing_is_damaged(whole: bytes) -> None:
    middle = len(whole) // 2
    assert_is_cut_short(whole[:middle] + bytes(2000) + whole[middle + 2000 :])


@pytest.mark.parametrize("kind", ["progressive", "progressive grey", "progressive CMYK"])
def test_a_progressive_jpeg_that_was_closed_between_two_scans_is_cut_short(kind: str) -> None:
    whole = KINDS[kind]
    scans = [place for place in range(len(whole)) if whole[place : place + 2] in (b"\xff\xda", b"\xff\xc4")]
    for place in scans[3:]:
        assert_is_cut_short(whole[:place] + b"\xff\xd9")


def test_a_large_jpeg_that_is_decoded_smaller_is_damaged_by_the_same_rule() -> None:
    assert_is_cut_short(LARGE[: len(LARGE) // 2] + b"\xff\xd9")


def test_bytes_between_the_pixels_and_the_end_do_not_cost_the_jpeg() -> None:
    """Cameras write them, and libjpeg warns of them; so it does of odd numbers in a scan's header."""
    for kind in ("baseline", "restarts", "progressive"):
        whole = KINDS[kind]
        for more in (bytes(300), b"abc" * 100):
            assert np.array_equal(np.asarray(read_image(whole[:-2] + more + whole[-2:])), np.asarray(read_image(whole)))
    whole = KINDS["baseline"]
    end = whole.index(b"\xff\xda") + 14
    odd = whole[: end - 3] + b"\0\0\0" + whole[end:]
    assert np.array_equal(np.asarray(read_image(odd)), np.asarray(read_image(whole)))


@pytest.mark.parametrize("colours", ["RGB", "P", "L"])
def test_a_png_may_lack_its_end_but_no_pixel(colours: str) -> None:
    whole = encoded(NOISE.convert(colours), "PNG")
    for missing in range(1, 17):  # the end's chunk, and the checksum before it
        assert np.array_equal(np.asarray(read_image(whole[:-missing])), np.asarray(read_image(whole)))
    for missing in (30, 100, 1000):
        assert_is_cut_short(whole[:-missing])


def assert_is_cut_short(data: bytes) -> None:
    """For the picture and for the model's input alike: they are decoded in two ways."""
    transform = EvalTransform(64, 64, 1.0, "center", "bicubic")
    for read in (read_image, lambda data: model_input(data, transform)):
        with pytest.raises(UnreadableImage, match="cut short") as caught:
            read(data)
        assert caught.value.code == "unreadable"
