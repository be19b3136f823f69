"""Small files that claim much, or that claim little and cost much: refused, and at no cost."""

from __future__ import annotations

import re
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inference.images.bombs import MAX_PIECES, MAX_SCANS
from inference.images.reading import UnreadableImage, read_image
from tests.inference.images.hostile import (
    BYTE,
    LONG,
    LONG8,
    SHORT,
    SOLID,
    bitmap,
    gif,
    grey,
    in_strips,
    jpeg_claiming,
    jpeg_of_scans,
    jpeg_segment,
    jpeg_with,
    png,
    tiff,
    tiled,
    webp_on_a_canvas,
    zeros,
)
from tests.inference.images.pictures import GREEN_AND_RED_EXCHANGED, encoded, heic, jpeg, seen_corners

MILLION = 1_000_000
MANY = 65_500  # pixels on a side, about the most that JPEG and GIF can say
ROW = zlib.compress(bytes(100))

CLAIMS = {
    "PNG": png(MANY, MANY),
    "PNG of 2**31 pixels a side": png(2**31 - 1, 2**31 - 1),
    "JPEG": jpeg_claiming(MANY, MANY),
    "GIF": gif(MANY, MANY),
    "GIF with a frame larger than its screen": gif(16, 16, frame=(MANY, MANY)),
    "moving WebP": webp_on_a_canvas(16_383, 16_383),
    "WebP of 2**24 pixels a side": webp_on_a_canvas(2**24, 2**24),
    "BMP": bitmap(MANY, MANY),
    "BMP upside down": bitmap(MANY, -MANY),
    "TIFF": tiff(grey(2**31 - 1, 2**31 - 1, 1, t273=(LONG, (8,)), t279=(LONG, (0,)))),
}


@cache
def bombs() -> dict[str, tuple[bytes, str]]:
    """Files that claim a modest size and cost much more, and a part of the reason why they are refused; for a limit of a million pixels."""
    dense, wide = zeros(6000 * 6000), zeros(60_000 * 4000)
    return {
        "a tile larger than its picture": (tiled(100, 6000, dense), r"tiles of 6000 x 6000 pixels"),
        "a long thin tile": (
            tiff(
                grey(100, 100, 8, t322=(LONG, (16,)), t323=(LONG, (2**27,)), t324=(LONG, (8,)), t325=(LONG, (9,))), wide
            ),
            r"tiles of 16 x 134217728",
        ),
        "a tile with its size in 16 bits": (
            tiff(
                grey(9, 9, 8, t322=(SHORT, (6000,)), t323=(SHORT, (6000,)), t324=(LONG, (8,)), t325=(LONG, (9,))), ROW
            ),
            r"tiles of 6000 x 6000",
        ),
        "a tile of a BigTIFF": (tiled(100, 6000, dense, big=True), r"tiles of 6000 x 6000 pixels"),
        "a tile with its size in 64 bits": (
            tiff(grey(9, 9, 8, t322=(LONG8, (2**40,)), t323=(LONG8, (16,)), t324=(LONG, (8,)), t325=(LONG, (9,))), ROW),
            r"tiles of 1099511627776 x 16",
        ),
        "tiles of one pixel": (
            tiff(grey(600, 600, 1, t322=(SHORT, (1,)), t323=(SHORT, (1,)), t324=(BYTE, (0,) * 360_000))),
            r"more than 250,000 pieces",
        ),
        "strips that are the same bytes": (in_strips(200, 5000, 8, ROW + bytes(100_000)), r"more than 100 times over"),
        "a thousand scans": (jpeg_of_scans(900, 1000), r"1,000 scans, more than the limit of 100"),
        "packed lines": (
            bitmap(1000, 900, bits=8, compression=1, data=b"\0\0" * 900),
            r"1000 x 900 pixels .* 0\.1 million",
        ),
        "packed lines upside down": (bitmap(1000, -900, bits=8, compression=1), r"1000 x 900 pixels .* 0\.1 million"),
    }


def refusal(data: bytes, max_pixels: int = MILLION) -> UnreadableImage:
    with pytest.raises(UnreadableImage) as caught:
        read_image(data, max_pixels=max_pixels)
    assert caught.value.reason.endswith(".")
    return caught.value


@pytest.mark.parametrize("data", CLAIMS.values(), ids=CLAIMS)
def test_a_file_that_claims_a_huge_size_is_refused_for_it(data: bytes) -> None:
    assert len(data) < 2000
    assert refusal(data, 50 * MILLION).code == "too_many_pixels"


@pytest.mark.parametrize("name", bombs())
def test_a_bomb_that_claims_a_modest_size_is_refused_with_what_is_wrong_with_it(name: str) -> None:
    data, words = bombs()[name]
    refused = refusal(data)
    assert refused.code == "too_many_pixels"
    assert re.search(words, refused.reason), refused.reason


def test_what_is_just_no_bomb_is_read() -> None:
    assert read_image(tiled(100, 112, zlib.compress(bytes(112 * 112)))).size == (100, 100)
    assert read_image(jpeg_of_scans(64, MAX_SCANS)).size == (64, 64)
    assert read_image(in_strips(100, 90, 8, ROW)).size == (100, 90)
    packed = bitmap(10, 10, bits=8, compression=1, data=b"\x0a\0\0\0" * 10 + b"\0\1")
    assert read_image(packed, max_pixels=1000).size == (10, 10)
    assert read_image(bitmap(10, 10, data=bytes(320)), max_pixels=100).size == (10, 10)
    of_os2 = b"BM" + struct.pack("<IHHIIHHHH", 0, 0, 0, 14 + 12 + 6, 12, 10, 10, 1, 1) + b"\0\0\0\0\1\0" + bytes(40)
    assert read_image(of_os2, max_pixels=1000).size == (10, 10), (
        "its header is short: colours lie at the offset of packed ones"
    )
    assert 50 * MILLION / 16**2 < MAX_PIECES, "a picture in the smallest tiles that the format knows"


def test_scans_that_only_a_thumbnail_or_what_follows_the_picture_has_are_not_counted() -> None:
    """A moving photo has a film of megabytes behind it, in which any two bytes are found."""
    inside = jpeg_segment(0xE5, b"\xff\xda\0\0" * 500)
    assert seen_corners(read_image(jpeg_with(inside) + b"\xff\xda\0\0" * 50_000)) == seen_corners(
        read_image(jpeg_with())
    )


def dear() -> dict[str, bytes]:
    """Sound pictures that cost much memory for each of their pixels; 2,500 x 2,400 of them, in a few kB."""
    wide, high = 2500, 2400
    clear = Image.new("RGBA", (wide, high), (9, 9, 9, 99))
    floats = zeros(wide * high * 4)
    strip = {"t278": (LONG, (high,)), "t273": (LONG, (8,)), "t279": (LONG, (len(floats),))}
    return {
        "clear PNG": encoded(clear, "PNG"),
        "clear WebP": encoded(clear, "WEBP", lossless=True),
        "moving WebP": webp_on_a_canvas(wide, high),
        "palette": encoded(Image.new("P", (wide, high)), "PNG", transparency=b"\x80"),
        "16 bit": encoded(Image.fromarray(np.zeros((high, wide), dtype=np.uint16)), "PNG"),
        "floats": tiff(grey(wide, high, 8, t258=(SHORT, (32,)), t339=(SHORT, (3,)), **strip), floats),
        "signed 16 bit": tiff(grey(wide, high, 8, t258=(SHORT, (16,)), t339=(SHORT, (2,)), **strip), floats),
        "HEIC": heic(Image.new("RGB", (wide, high), "red")),
        "clear HEIC": heic(clear),
        "clear AVIF": encoded(clear, "AVIF", speed=10),
        "of other colours": jpeg(Image.new("RGB", (wide, high)), icc_profile=GREEN_AND_RED_EXCHANGED),
        "CMYK": encoded(Image.new("CMYK", (wide, high)), "JPEG", progressive=True),
        "GIF": gif(wide, high),
    }


NEEDS_LINUX = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux says how much memory a process had at most"
)
IN_ANOTHER_PROCESS = r"""
import re, sys
from pathlib import Path
from inference.images.reading import UnreadableImage, read_image

def peak():
    return int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024

for number, path in enumerate(sorted(Path(sys.argv[1]).iterdir())):
    data = path.read_bytes()
    try:
        read_image(data, max_pixels=int(sys.argv[2])).close()
    except UnreadableImage:
        pass
    if number == 0:
        before = peak()  # Pillow's plugins are loaded now
print(peak() - before)
"""


def peak_bytes(files: Iterable[bytes], max_pixels: int, folder: Path) -> int:
    """How much more memory a process needed for these files, one after the other, than for a picture of 16 x 16."""
    for number, data in enumerate([encoded(SOLID, "PNG"), *files]):
        (folder / f"{number:03}").write_bytes(data)
    run = [sys.executable, "-W", "ignore", "-c", IN_ANOTHER_PROCESS, str(folder), str(max_pixels)]
    return int(subprocess.run(run, cwd=Path(__file__).parents[3], capture_output=True, text=True, check=True).stdout)


@NEEDS_LINUX
def test_a_bomb_costs_nothing(tmp_path: Path) -> None:
    assert peak_bytes([data for data, _ in bombs().values()], MILLION, tmp_path) < 10 * MILLION


@NEEDS_LINUX
def test_a_picture_costs_at_most_24_bytes_for_each_of_its_pixels(tmp_path: Path) -> None:
    """So one of 50 million pixels costs at most 1.2 GB: the figure for whoever runs the model server."""
    assert peak_bytes(dear().values(), 6 * MILLION, tmp_path) < 24 * 6 * MILLION


@NEEDS_LINUX
def test_what_unpacks_to_more_than_it_may_is_read_no_further(tmp_path: Path) -> None:
    """200 MB of zeros behind ten pixels, in a text, in a colour profile, in what may hold the orientation."""
    zipped, pixels = zeros(200 * MILLION), zlib.compress(bytes(31 * 10))
    bombs_beside: list[list[tuple[bytes, bytes]]] = [
        [(b"zTXt", b"a\0\0" + zipped)],
        [(b"zTXt", b"Raw profile type exif\0\0" + zipped)],
        [(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zipped)],
        [(b"iCCP", b"a\0\0" + zipped)],
        [(b"zTXt", b"a\0\0" + zeros(MILLION))] * 70,
    ]
    files = [png(10, 10, *more, pixels=pixels) for more in bombs_beside] + [png(10, 10, pixels=pixels + zipped)]
    for data in files:
        assert read_image(data).size == (10, 10), "what is no picture does not cost the picture"
    assert peak_bytes(files, MILLION, tmp_path) < 10 * MILLION


def test_of_ten_thousand_frames_one_is_read_and_of_a_directory_that_names_itself_nothing_twice() -> None:
    assert read_image(gif(16, 16, frames=10_000)).size == (16, 16)
    strip = {"t273": (LONG, (8,)), "t278": (LONG, (1,)), "t279": (LONG, (len(ROW),))}
    circle = tiff(grey(100, 1, 8, **strip), ROW, next_directory=8 + len(ROW))
    assert read_image(circle).size == (100, 1)
