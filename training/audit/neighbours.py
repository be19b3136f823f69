"""Pairs of pictures that are nearly the same, without comparing each with each.

difference hashes -> those within 7 of 64 bits (four sorted bands) -> 32 x 32 grey and colour, compared -> pairs
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.audit.measuring import PhotoFacts

# AuditedData by eye over 7,328 photos of balls: of the pairs of pictures that pass all three, 30 of 30 drawn at random were
# the same; at a correlation of 0.97 to 0.99 most were two balls on white.
GREATEST_DISTANCE = 7  # bits: then one of four bands differs in one bit at most, and can be looked up
LEAST_CORRELATION = 0.99
GREATEST_COLOUR = 10.0  # levels, mean over 8 x 8: the same ball in red and in blue is two pictures
LEAST_SPREAD = 2.0  # levels of grey: flatter pictures all look the same to a hash
BANDS = 4
BAND_BITS = 16
CANDIDATES_AT_ONCE = 1 << 18
COMPARED_AT_ONCE = 1 << 13  # 64 MB of thumbnails as float32

Index = NDArray[np.int64]


@dataclass(frozen=True)
class Near:
    """Two pictures, by their places in the sequence, that show the same."""

    first: int
    second: int
    distance: int
    correlation: float
    mirrored: bool


def near_pairs(photos: Sequence[PhotoFacts]) -> list[Near]:
    """Every pair that is nearly the same, also in a mirror; `first` < `second`.

    Finds what was saved, scaled or recompressed anew, and small retouches; a crop or a large caption makes another
    picture. Pictures of one colour have no neighbours.
    """
    places = np.array([place for place, one in enumerate(photos) if one.grey.std() >= LEAST_SPREAD], dtype=np.int64)
    if len(places) < 2:
        return []
    hashes = np.array([photos[place].hash for place in places], dtype=np.uint64)
    mirrored = np.array([photos[place].mirrored_hash for place in places], dtype=np.uint64)
    grey = np.stack([photos[place].grey for place in places])
    colour = np.stack([photos[place].colour for place in places])
    found: dict[tuple[int, int], Near] = {}
    for others, mirror in ((hashes, False), (mirrored, True)):
        for first, second in _candidates(hashes, others):
            distance = np.bitwise_count(hashes[first] ^ others[second])
            close = distance <= GREATEST_DISTANCE
            for a, b, bits, correlation in _same(first[close], second[close], distance[close], grey, colour, mirror):
                pair = int(places[a]), int(places[b])
                found.setdefault(pair, Near(*pair, bits, correlation, mirror))
    return [found[pair] for pair in sorted(found)]


def _candidates(hashes: NDArray[np.uint64], others: NDArray[np.uint64]) -> Iterator[tuple[Index, Index]]:
    """Pairs, first < second, whose hashes have a band of 16 bits in common but for one bit; some come twice."""
    for band in range(BANDS):
        shift = np.uint64(BAND_BITS * band)
        keys, other_keys = (((of >> shift) & np.uint64(0xFFFF)).astype(np.int64) for of in (hashes, others))
        order = np.argsort(other_keys, kind="stable")
        ends = np.cumsum(np.bincount(other_keys, minlength=1 << BAND_BITS))
        begins = ends - np.diff(ends, prepend=0)
        for flipped in (0, *(1 << bit for bit in range(BAND_BITS))):
            yield from _joined(order, begins[keys ^ flipped], ends[keys ^ flipped])


def _joined(order: Index, begins: Index, ends: Index) -> Iterator[tuple[Index, Index]]:
    """Each place with all that lie in its slice of `order`, in portions that fit in memory."""
    sizes = ends - begins
    portions = np.cumsum(sizes) // CANDIDATES_AT_ONCE
    for portion in np.unique(portions):
        rows = np.flatnonzero((portions == portion) & (sizes > 0))
        if not len(rows):
            continue
        counts = sizes[rows]
        first = np.repeat(rows, counts)
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        second = order[np.repeat(begins[rows], counts) + within]
        ahead = first < second
        yield first[ahead], second[ahead]


def _same(
    first: Index, second: Index, distance: NDArray[np.uint8],
    grey: NDArray[np.uint8], colour: NDArray[np.uint8], mirror: bool,
) -> Iterator[tuple[int, int, int, float]]:  # fmt: skip
    """Of these pairs those that pass the second look: both places, distance, correlation."""
    way = slice(None, None, -1 if mirror else 1)
    for start in range(0, len(first), COMPARED_AT_ONCE):
        a, b = (side[start : start + COMPARED_AT_ONCE] for side in (first, second))
        correlation = np.einsum("nij,nij->n", _standardised(grey[a]), _standardised(grey[b])[:, :, way])
        tint = np.abs(colour[a].astype(np.int16) - colour[b][:, :, way]).mean(axis=(1, 2, 3))
        for k in np.flatnonzero((correlation >= LEAST_CORRELATION) & (tint <= GREATEST_COLOUR)):
            yield int(a[k]), int(b[k]), int(distance[start + k]), min(1.0, float(correlation[k]))


def _standardised(grey: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Of mean 0 and length 1, so that a product of two is their correlation."""
    values = grey.astype(np.float32)
    values -= values.mean(axis=(1, 2), keepdims=True)
    values /= np.linalg.norm(values, axis=(1, 2), keepdims=True)
    return values
