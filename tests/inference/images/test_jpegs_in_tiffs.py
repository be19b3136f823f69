"""A JPEG within a TIFF is held to the rule of a JPEG: libtiff fills in what is missing, and says nothing."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks.pictures.writing import tiff
from inference.images.pixels import EvalTransform, model_input
from inference.images.reading import UnreadableImage, read_image
from tests.inference.images.hostile import LONG, SHORT, Tags
from tests.inference.images.hostile import tiff as tiff_of
from tests.inference.images.pictures import encoded, jpeg

ROUGH = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
NOISE = np.asarray(Image.fromarray(ROUGH).resize((160, 120)))
FOUR = np.dstack([NOISE, NOISE[..., :1]])
PICTURES: dict[str, tuple[Any, str, dict[str, Any]]] = {
    "grey": (NOISE[..., 0], "minisblack", {}),
    "RGB": (NOISE, "rgb", {}),
    "YCbCr": (NOISE, "ycbcr", {}),
    "CMYK": (FOUR, "separated", {"planarconfig": "contig"}),
    "planes": (NOISE.transpose(2, 0, 1), "rgb", {"planarconfig": "separate"}),
    "lossless grey": (NOISE[..., 0], "minisblack", {"compressionargs": {"lossless": True}}),
    "lossless CMYK": (FOUR, "separated", {"planarconfig": "contig", "compressionargs": {"lossless": True}}),
}
LAYOUTS: dict[str, dict[str, Any]] = {
    "one strip": {"rowsperstrip": 120},
    "strips": {"rowsperstrip": 16},
    "tiles": {"tile": (64, 64)},
    "BigTIFF": {"bigtiff": True},
    "big-endian": {"byteorder": ">"},
}


def pieces_of(data: bytes) -> list[tuple[int, int]]:
    """Where each JPEG begins and ends; they follow one another."""
    starts = [place for place in range(len(data)) if data.startswith(b"\xff\xd8\xff", place)]
    return [(place, data.index(b"\xff\xd9", place) + 2) for place in starts]


def assert_is_damaged(data: bytes) -> None:
    for read in (read_image, lambda data: model_input(data, EvalTransform(32, 32, 1.0, "center", "bicubic"))):
        with pytest.raises(UnreadableImage, match="damaged or cut short") as refused:
            read(data)
        assert refused.value.code == "unreadable"


@pytest.mark.parametrize("fill", [b"", b"\xff\xd9"], ids=["zeros", "an end mark"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", PICTURES)
def test_half_a_strip_or_tile_is_half_a_picture(kind: str, layout: str, fill: bytes) -> None:
    values, photometric, options = PICTURES[kind]
    whole = tiff(values, photometric, compression="jpeg", **options, **LAYOUTS[layout])
    assert read_image(whole).size == (160, 120)
    pieces = pieces_of(whole)
    for start, end in (pieces[0], pieces[len(pieces) // 2], pieces[-1]):
        middle = (start + end) // 2
        assert_is_damaged(whole[:middle] + fill + bytes(end - middle - len(fill)) + whole[end:])


@pytest.mark.parametrize("mode", ["RGB", "L", "YCbCr", "CMYK", "RGBA"])
def test_tables_that_all_strips_share_are_looked_up(mode: str) -> None:
    """As Pillow and libtiff write them: no strip is a JPEG by itself."""
    whole = encoded(Image.fromarray(NOISE).convert(mode), "TIFF", compression="jpeg")
    tables = Image.open(io.BytesIO(whole)).tag_v2[347]  # type: ignore[attr-defined]
    start, end = next(piece for piece in pieces_of(whole) if not tables.startswith(whole[piece[0] : piece[1]]))
    assert read_image(whole).size == (160, 120)
    middle = (start + end) // 2
    assert_is_damaged(whole[:middle] + b"\xff\xd9" + bytes(end - middle - 2) + whole[end:])


def tiff_of_jpegs(
    jpegs: Sequence[bytes], *, rows: int, compression: int = 7, more: Tags | None = None, behind: bytes = b""
) -> bytes:
    """160 x 120 pixels of YCbCr in strips."""
    places = [8 + sum(map(len, jpegs[:n])) for n in range(len(jpegs))]
    tags: Tags = {256: (LONG, (160,)), 257: (LONG, (120,)), 258: (SHORT, (8, 8, 8)), 259: (SHORT, (compression,))}
    tags |= {262: (SHORT, (6,)), 277: (SHORT, (3,)), 278: (LONG, (rows,)), 530: (SHORT, (2, 2))}
    tags |= {273: (LONG, tuple(places)), 279: (LONG, tuple(map(len, jpegs)))}
    return tiff_of(tags | (more or {}), b"".join(jpegs) + behind)


def strip(pixels: Any) -> bytes:  # noqa: ANN401 - an array's part
    return jpeg(Image.fromarray(pixels), subsampling=2)


ALL, TWICE = strip(NOISE), strip(np.vstack([NOISE, NOISE]))


@pytest.mark.parametrize(
    ("jpegs", "rows"),
    [
        ([ALL], 120),
        ([ALL[:-2]], 120),
        ([strip(NOISE[:64]), strip(NOISE[64:])], 64),
        ([strip(NOISE[:64]), strip(np.vstack([NOISE[64:], NOISE[:8]]))], 64),
        ([ALL], 2**32 - 1),
        ([TWICE], 240),
    ],
    ids=["one", "no end mark", "two", "a last one of all rows", "rows without a limit", "more rows than the picture"],
)
def test_strips_that_have_all_their_rows_are_read(jpegs: list[bytes], rows: int) -> None:
    found = np.asarray(read_image(tiff_of_jpegs(jpegs, rows=rows)))
    assert np.abs(found.astype(int) - NOISE).mean() < 15  # of noise, with colours for 2 x 2 pixels


@pytest.mark.parametrize(
    "jpegs",
    [
        [strip(NOISE[:60])],
        [strip(NOISE[:, :80])],
        [strip(NOISE[:32]), strip(NOISE[64:])],
        [strip(NOISE[:64]), strip(NOISE[64:104])],
    ],
    ids=["half the rows", "half the columns", "a short first one", "a short last one"],
)
def test_a_strip_whose_jpeg_is_smaller_lacks_pixels(jpegs: list[bytes]) -> None:
    assert_is_damaged(tiff_of_jpegs(jpegs, rows=120 if len(jpegs) == 1 else 64))


OLD: dict[str, Tags] = {"named": {513: (LONG, (8,)), 514: (LONG, (len(ALL),))}, "the only strip": {}}


@pytest.mark.parametrize("where", OLD)
def test_a_jpeg_of_the_old_kind_is_held_to_the_same_rule(where: str) -> None:
    whole = tiff_of_jpegs([ALL], rows=120, compression=6, more=OLD[where])
    assert np.abs(np.asarray(read_image(whole)).astype(int) - NOISE).mean() < 15
    for share in (0.5, 0.9):
        size = int(len(ALL) * share)
        for fill in (b"\xff\xd9", b""):
            half = (ALL[:size] + fill).ljust(len(ALL), b"\0")
            assert_is_damaged(tiff_of_jpegs([half], rows=120, compression=6, more=OLD[where]))


def test_what_nobody_can_check_is_refused_by_name() -> None:
    """Old strips that need the tables of elsewhere, and grey with alpha, which no decoder with warnings reads."""
    scan = ALL.index(b"\xff\xda") + 14
    header, pixels = ALL[:scan], ALL[scan:]
    place: Tags = {513: (LONG, (8 + len(pixels),)), 514: (LONG, (len(header),))}
    apart = tiff_of_jpegs([pixels], rows=120, compression=6, more=place, behind=header)
    both = tiff(FOUR[..., :2], "minisblack", compression="jpeg", extrasamples=[2], planarconfig="contig")
    for data, name in ((apart, "3 x 8 bits YCbCr, old JPEG"), (both, "2 x 8 bits grey, JPEG")):
        with pytest.raises(UnreadableImage, match=f"This is a TIFF of {name} inside") as refused:
            read_image(data)
        assert refused.value.code == "unsupported_format"
