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
