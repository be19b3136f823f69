"""Every kind of picture is read as libvips and OpenCV read it, or as it was stored, or refused; never otherwise.

`python -m benchmarks.pictures` does the same with many more damaged files: docs/results/pictures.md.
"""

from __future__ import annotations

from collections import Counter

import pytest

from benchmarks.pictures.__main__ import SLOW
from benchmarks.pictures.comparing import Compared, compare
from benchmarks.pictures.kinds import Kind, kinds
from benchmarks.pictures.mutating import mutate
from inference.images.formats import READABLE

DAMAGED = 40  # files of each format; the script takes thousands

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's and tifffile's, of what is odd


@pytest.fixture(scope="module")
def compared() -> list[tuple[Kind, Compared]]:
    return [(kind, compare(kind.data, kind.stored, kind.alike)) for kind in kinds()]


def test_no_kind_of_picture_is_read_otherwise_than_it_was_stored(compared: list[tuple[Kind, Compared]]) -> None:
    assert [f"{kind.form}: {kind.name}" for kind, found in compared if found.outcome == "wrong"] == []
    assert {kind.form for kind, _ in compared} == set(READABLE)


def test_a_kind_that_is_not_read_is_named_and_none_of_them_is_called_damaged(
    compared: list[tuple[Kind, Compared]],
) -> None:
    refused = [found for _, found in compared if found.outcome == "refused"]
    assert {found.code for found in refused} == {"unsupported_format"}
    assert all("Convert it to JPEG or PNG" in found.refusal for found in refused)
    assert len(refused) < len(compared) / 2


def test_outside_of_tiff_nearly_every_kind_is_read(compared: list[tuple[Kind, Compared]]) -> None:
    refused = [f"{kind.form}: {kind.name}" for kind, it in compared if it.outcome == "refused" and kind.form != "TIFF"]
    assert sorted(refused) == [
        "BMP: 16 bits, odd masks",
        "HEIC: grey, 10 bits",
        "JPEG: JPEG-LS",
        "JPEG: YCbCr, 12 bits",
        "PNG: RGB, 16 bits, one clear",
    ]


def test_most_of_what_is_read_is_read_by_others_alike(compared: list[tuple[Kind, Compared]]) -> None:
    """What is not: what one of them refuses, and what only this project reads (HEIC, wide greys)."""
    outcomes = Counter(found.outcome for _, found in compared)
    assert outcomes["as both"] > 100
    assert outcomes["alone"] == 0


@pytest.mark.parametrize("form", READABLE)
def test_a_damaged_picture_is_refused_or_read_as_the_others_read_it(form: str) -> None:
    """In a process of its own: a crash of a C library is one outcome."""
    count = DAMAGED // SLOW.get(form, 1)
    found = mutate(form, count)
    assert found.odd == []
    assert found.outcomes.total() == count
