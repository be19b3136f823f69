"""The comparison of decoders finds what it is there to find, and its page counts it."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import numpy as np

from benchmarks.pictures.comparing import Compared, compare, compare_damaged
from benchmarks.pictures.decoders import by_opencv, by_vips
from benchmarks.pictures.kinds import Kind
from benchmarks.pictures.mutating import Mutated, damaged, with_checksums
from benchmarks.pictures.page import Found, page
from benchmarks.pictures.writing import grey_of, picture, png, tiff, tiff_pages

PAGE = Path(__file__).parents[2] / "docs" / "results" / "pictures.md"
FACTS = {"cores": 2, "cpu": "a processor", "memory_gib": 4, "system": "a system"}


def test_another_picture_than_the_stored_one_is_wrong_also_if_all_three_agree() -> None:
    whole = png(picture(), 8, 2)
    assert compare(whole, picture()).outcome == "as both"
    assert compare(whole, picture(1)).outcome == "wrong"
    assert compare(whole, np.rot90(picture())).outcome == "wrong"


def test_without_the_stored_picture_two_others_decide_unless_both_are_known_to_misread() -> None:
    assert compare(png(picture(), 8, 2), None).outcome == "as both"
    signed = tiff(grey_of(picture()).astype(np.int16) - 100, "minisblack")
    assert len(by_vips(signed)) == len(by_opencv(signed)) == 1
    assert compare(signed, None).outcome == "alone"


def test_a_damaged_file_is_not_wrong_if_both_others_misread_it_whole() -> None:
    pixels = picture()
    whole = tiff_pages((pixels[::4, ::4], 1), (pixels, 0), byteorder="<")
    place = whole.index(pixels.tobytes())
    spotted = whole[:place] + b"\0\0\0" + whole[place + 3 :]
    assert compare(spotted, None).outcome == "wrong"
    assert compare_damaged(spotted, Kind("TIFF", "a thumbnail before it", whole, pixels, 2.0)) == "alone"
    assert compare_damaged(spotted, Kind("TIFF", "one that others read", png(pixels, 8, 2), pixels, 2.0)) == "wrong"


def test_damage_is_the_same_for_the_same_seed_and_its_checksums_may_be_right() -> None:
    whole = png(picture(), 8, 2)
    assert damaged(whole, 1) == damaged(whole, 1) != damaged(whole, 2)
    assert with_checksums(whole) == whole
    assert with_checksums(whole.replace(b"IDAT", b"IdAT")) != whole.replace(b"IDAT", b"IdAT")


def test_the_page_counts_every_outcome_and_names_what_was_odd() -> None:
    kind = Kind("PNG", "a kind", b"", picture(), 2.0)
    refused = Compared(
        "refused", "This is a PNG of 9 bits, LZW inside, a kind that is not read here. Convert", "", True
    )
    whole = [Found(kind, Compared("as both", "", "", True)), Found(kind, Compared("wrong", "", "", True))]
    made = page(
        [*whole, Found(kind, refused), Found(kind, refused)],
        [Mutated("PNG", Counter({"refused": 1999, "crashed": 1}), ["PNG 7: crashed"])],
        "the command",
        FACTS,
        "2026-01-01",
    )
    assert "| PNG | 4 | 1 | 0 | 0 | 0 | 2 | 1 |" in made
    assert "Wrong: PNG: a kind." in made
    assert "| a PNG of 9 bits | 2 | 2 |" in made
    assert "| PNG | 2,000 | 0 | 0 | 0 | 1,999 | 0 | 0 | 1 |" in made
    assert "Odd: PNG 7: crashed." in made


def test_the_page_that_is_kept_has_nothing_wrong_and_nothing_odd() -> None:
    kept = PAGE.read_text(encoding="utf-8")
    assert "Wrong: none." in kept
    assert "Odd: none." in kept
    total = re.search(r"\| \*\*all\*\* \| (\d+) ", kept)
    assert total is not None
    assert int(total[1]) > 500
