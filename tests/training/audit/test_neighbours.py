"""Finding pictures that are nearly the same, without comparing each with each."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from training.audit import neighbours
from training.audit.files import AuditedFile
from training.audit.measuring import PhotoFacts, difference_hashes, measure
from training.audit.neighbours import GREATEST_DISTANCE, near_pairs

pytestmark = pytest.mark.torch


def one(hash_of: int = 0, seed: int = 0) -> PhotoFacts:
    """A picture of noise with this hash."""
    random = np.random.default_rng(seed)
    return PhotoFacts(
        file=AuditedFile(Path("a.png"), "a.png", "a", "train"), sha256="", format="PNG", mode="RGB", turned=False,
        colourless=False, width=32, height=32, hash=hash_of, mirrored_hash=hash_of ^ (2**64 - 1),
        grey=random.integers(0, 256, (32, 32), dtype=np.uint8), colour=np.full((8, 8, 3), 90, np.uint8),
        black=0, white=255, spread=50, edges=1,
    )  # fmt: skip


def brute_force(hashes: NDArray[np.uint64]) -> set[tuple[int, int]]:
    distance = np.bitwise_count(hashes[:, None] ^ hashes[None])
    first, second = np.nonzero(np.triu(distance <= GREATEST_DISTANCE, k=1))
    return set(zip(first.tolist(), second.tolist(), strict=True))


@pytest.mark.parametrize("at_once", [1, 50, 1 << 18])
def test_every_pair_of_near_hashes_is_found(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "CANDIDATES_AT_ONCE", at_once)
    random = np.random.default_rng(1)
    hashes = random.integers(0, 2**64, 40, dtype=np.uint64)
    for _ in range(160):  # and their relatives, up to eleven bits away
        bits = random.choice(64, random.integers(0, 12), replace=False).astype(np.uint64)
        flipped = np.bitwise_or.reduce(np.uint64(1) << bits, initial=np.uint64(0))
        hashes = np.append(hashes, hashes[random.integers(40)] ^ flipped)
    pairs = {(near.first, near.second) for near in near_pairs([one(int(value)) for value in hashes])}
    assert pairs == brute_force(hashes)
    assert len(pairs) > 100


def test_equal_hashes_of_different_pictures_are_no_pair() -> None:
    assert near_pairs([one(7, seed=1), one(7, seed=2)]) == []


def test_the_same_shape_in_another_colour_is_another_picture() -> None:
    assert len(near_pairs([one(7), one(7)])) == 1
    assert near_pairs([one(7), replace(one(7), colour=np.full((8, 8, 3), 130, np.uint8))]) == []


def test_pictures_of_one_colour_have_no_neighbours() -> None:
    flat = replace(one(), grey=np.full((32, 32), 200, np.uint8))
    assert near_pairs([flat, flat]) == []


def test_nothing_and_one_picture_have_no_pairs() -> None:
    assert near_pairs([]) == []
    assert near_pairs([one()]) == []


def test_the_mirrored_hash_is_the_hash_of_the_mirrored_picture() -> None:
    random = np.random.default_rng(3).integers(0, 256, (90, 120), dtype=np.uint8)
    forth, back = difference_hashes(Image.fromarray(random))
    assert difference_hashes(Image.fromarray(random[:, ::-1])) == (back, forth)


def test_a_picture_of_one_pixel_is_looked_at(tmp_path: Path) -> None:
    Image.new("RGB", (1, 1)).save(tmp_path / "dot.png")
    seen = measure(AuditedFile(tmp_path / "dot.png", "dot.png", "dot", "train")).facts
    assert isinstance(seen, PhotoFacts)
    assert (seen.width, seen.height) == (1, 1)
