"""The verdict over 55 real files that break naive readers; they may not be kept in this repository."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from inference.images.reading import UnreadableImage, read_image

AWKWARD = Path(__file__).parents[4] / "shared" / "data" / "awkward"

pytestmark = [
    pytest.mark.skipif(not AWKWARD.is_dir(), reason=f"the awkward photos are not at {AWKWARD}"),
    # Pillow warns of damage that it can live with.
    pytest.mark.filterwarnings("ignore::UserWarning:PIL"),
]

REFUSED = {
    "decompression_bomb/decompression_bomb.ico": ("unsupported_format", "an ICO icon"),
    "decompression_bomb/max_dim_webp.png": ("too_many_pixels", "limit of 50 million"),
    "decompression_bomb/oom-225817ca0f8c663be7ab4b9e717b02c661e66834.tif": ("unreadable", "begins like a TIFF"),
    "misnamed/zero_byte.jpg": ("unreadable", "empty"),
    "plain_other_format/favicon.ico": ("unsupported_format", "an ICO icon"),
    "plain_other_format/hopper.ico": ("unsupported_format", "an ICO icon"),
    "svg/logo.svg": ("unsupported_format", "an SVG drawing"),
    "truncated_corrupt/broken.png": ("unreadable", "begins like a PNG"),
    "truncated_corrupt/crash-0c7e0e8e11ce787078f00b5b0ca409a167f070e0.tif": ("unreadable", "begins like a TIFF"),
    "truncated_corrupt/crash-1152ec2d1a1a71395b6f2ce6721c38924d025bf3.tif": ("unreadable", "begins like a TIFF"),
    "truncated_corrupt/truncated.jpg": ("unreadable", "begins like a JPEG"),
    "truncated_corrupt/truncated_end_chunk.png": ("unreadable", "begins like a PNG"),
    "truncated_corrupt/zero_width.gif": ("unreadable", "begins like a GIF"),
}
READ_BY_OTHERS_THAN_PILLOW = {  # the manifest says nothing of their size
    "heic_avif/heic-orientation-6.heic": (3024, 4032),
    "heic_avif/hopper.heif": (128, 128),
}
LYING_ON_THEIR_SIDE = {5, 6, 7, 8}  # EXIF orientations that swap width and height


def manifest() -> list[dict[str, str]]:
    if not AWKWARD.is_dir():
        return []
    with (AWKWARD / "MANIFEST.csv").open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def test_all_files_of_the_collection_are_here() -> None:
    assert len(manifest()) == 55
    assert set(REFUSED) <= {row["file"] for row in manifest()}


@pytest.mark.parametrize("row", manifest(), ids=lambda row: row["file"])
def test_an_awkward_file_is_read_or_refused_for_the_right_reason(row: dict[str, str]) -> None:
    data = (AWKWARD / row["file"]).read_bytes()
    if row["file"] in REFUSED:
        code, words = REFUSED[row["file"]]
        with pytest.raises(UnreadableImage, match=words) as caught:
            read_image(data)
        assert caught.value.code == code
    else:
        picture = read_image(data)
        width, height = READ_BY_OTHERS_THAN_PILLOW.get(row["file"]) or map(int, row["size"].split("x"))
        turned = int(row["exif_orientation"] or 1) in LYING_ON_THEIR_SIDE
        assert picture.mode == "RGB"
        assert picture.size == ((height, width) if turned else (width, height))


@pytest.mark.parametrize(
    ("turned", "upright"),
    [("Landscape_6.jpg", "Landscape_1.jpg"), ("libvips_rotation_8.jpg", "libvips_rotation_1.jpg")],
)
def test_the_same_photo_stored_turned_is_the_same_picture(turned: str, upright: str) -> None:
    pair = [read_image((AWKWARD / "exif_rotation" / name).read_bytes()) for name in (turned, upright)]
    small = [picture.convert("L").resize((16, 16)) for picture in pair]
    difference = sum(abs(a - b) for a, b in zip(*(picture.tobytes() for picture in small), strict=True)) / 256
    assert difference < 12, f"mean difference of {difference:.1f} grey levels"
