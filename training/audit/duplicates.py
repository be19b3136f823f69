"""Files that show the same picture, in which splits and classes, and which of them to leave out.

same bytes, nearly the same -> pairs and groups of files
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from training.audit.measuring import PhotoFacts
from training.audit.neighbours import Near, near_pairs
from training.audit.records import DuplicatePair

Numbers = NDArray[np.int32]

KEPT_FIRST = (
    "test",
    "validation",
    "train",
)  # the copy in training is left out, so that evaluation photos stay complete


@dataclass(frozen=True)
class Duplicates:
    """Pairs, each with a file to leave out so that no picture is there twice; and the groups of the same picture."""

    pairs: tuple[DuplicatePair, ...]
    groups: tuple[tuple[str, ...], ...]
    group_of: tuple[int, ...]  # for every given picture


def find_duplicates(photos: Sequence[PhotoFacts]) -> Duplicates:
    """Every file but one of each picture, paired with the one that stays.

    The one in the test split stays, else that in validation, else in training, and then the larger picture. A file with
    several partners is paired with the most serious: one in another split, then one with another label.
    """
    ranked = sorted(range(len(photos)), key=lambda place: _rank(photos[place]))
    in_order = [photos[place] for place in ranked]
    links = [*_same_bytes(in_order), *_nearly_same(in_order)]
    pairs = [_pair(in_order, link) for link in _one_each(in_order, links)]
    pairs.sort(key=lambda pair: (not pair.leaks, not pair.conflicts, not pair.same_bytes, pair.keep, pair.drop))
    numbers = _numbered(len(photos), links)
    group_of = np.empty(len(photos), dtype=np.int64)
    group_of[ranked] = numbers
    return Duplicates(tuple(pairs), _groups(in_order, numbers), tuple(group_of.tolist()))


def _rank(one: PhotoFacts) -> tuple[int, int, str]:
    split = KEPT_FIRST.index(one.file.split) if one.file.split in KEPT_FIRST else len(KEPT_FIRST)
    return split, -one.width * one.height, one.file.relative


def _same_bytes(photos: Sequence[PhotoFacts]) -> Iterator[Near]:
    """Each copy with the first of its bytes in every split and class: a thousand copies make a thousand links."""
    firsts: dict[str, dict[tuple[str, str], int]] = defaultdict(dict)
    for place, one in enumerate(photos):
        places = firsts[one.sha256]
        for first in places.values():
            yield Near(first, place, distance=0, correlation=1.0, mirrored=False)
        places.setdefault((one.file.split, one.file.label), place)


def _nearly_same(photos: Sequence[PhotoFacts]) -> Iterator[Near]:
    """Between the first files of different bytes."""
    first_of: dict[str, int] = {}
    for place, one in enumerate(photos):
        first_of.setdefault(one.sha256, place)
    places = list(first_of.values())
    for near in near_pairs([photos[place] for place in places]):
        yield Near(places[near.first], places[near.second], near.distance, near.correlation, near.mirrored)


def _one_each(photos: Sequence[PhotoFacts], links: Sequence[Near]) -> Iterator[Near]:
    """For every file that has an earlier partner, the most serious partner."""
    partners: dict[int, list[Near]] = defaultdict(list)
    for link in links:
        partners[link.second].append(link)
    for several in partners.values():
        yield min(several, key=lambda link: _weight(photos, link))


def _weight(photos: Sequence[PhotoFacts], link: Near) -> tuple[bool, bool, bool, float, int]:
    one, other = photos[link.first], photos[link.second]
    return (
        one.file.split == other.file.split,
        one.file.label == other.file.label,
        one.sha256 != other.sha256,
        -link.correlation,
        link.first,
    )


def _pair(photos: Sequence[PhotoFacts], link: Near) -> DuplicatePair:
    keep, drop = photos[link.first], photos[link.second]
    return DuplicatePair(
        keep=keep.file.relative, keep_label=keep.file.label, keep_split=keep.file.split,
        drop=drop.file.relative, drop_label=drop.file.label, drop_split=drop.file.split,
        same_bytes=keep.sha256 == drop.sha256, mirrored=link.mirrored,
        distance=link.distance, correlation=round(link.correlation, 4),
    )  # fmt: skip


def _numbered(count: int, links: Sequence[Near]) -> Numbers:
    """For each place the number of its group: the connected component of the links."""
    ends = np.array([(link.first, link.second) for link in links], dtype=np.int64).reshape(-1, 2)
    graph = coo_matrix((np.ones(len(ends), dtype=bool), (ends[:, 0], ends[:, 1])), shape=(count, count))
    _, numbers = connected_components(graph, directed=False)
    return np.asarray(numbers, dtype=np.int32)


def _groups(photos: Sequence[PhotoFacts], numbers: Numbers) -> tuple[tuple[str, ...], ...]:
    members: dict[int, list[str]] = defaultdict(list)
    for one, number in zip(photos, numbers.tolist(), strict=True):
        members[number].append(one.file.relative)
    groups = [tuple(group) for group in members.values() if len(group) > 1]
    return tuple(sorted(groups, key=lambda group: (-len(group), group)))
