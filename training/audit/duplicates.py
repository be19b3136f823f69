"""Files that show the same picture: which, in which splits and classes, and which of them to leave out.

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

from training.audit.looking import Seen
from training.audit.neighbours import Near, near_pairs
from training.audit.records import Pair

Numbers = NDArray[np.int32]

KEPT_FIRST = ("test", "validation", "train")  # what is measured on stays whole: the copy in training goes


@dataclass(frozen=True)
class Duplicates:
    """Pairs, each with a file to leave out: without those files no picture is twice. And who belongs together."""

    pairs: tuple[Pair, ...]
    groups: tuple[tuple[str, ...], ...]
    group_of: tuple[int, ...]  # for every picture that was given


def find_duplicates(seen: Sequence[Seen]) -> Duplicates:
    """Every file but one of each picture, paired with the one that stays.

    The larger picture stays, and the one in the test split before that in validation or training. Where a file has
    several partners, it is told with the worst: one in another split, then one with another label.
    """
    ranked = sorted(range(len(seen)), key=lambda place: _rank(seen[place]))
    in_order = [seen[place] for place in ranked]
    links = [*_same_bytes(in_order), *_nearly_same(in_order)]
    pairs = [_pair(in_order, link) for link in _one_each(in_order, links)]
    pairs.sort(key=lambda pair: (not pair.leaks, not pair.conflicts, not pair.same_bytes, pair.keep, pair.drop))
    numbers = _numbered(len(seen), links)
    group_of = np.empty(len(seen), dtype=np.int64)
    group_of[ranked] = numbers
    return Duplicates(tuple(pairs), _groups(in_order, numbers), tuple(group_of.tolist()))


def _rank(one: Seen) -> tuple[int, int, str]:
    split = KEPT_FIRST.index(one.file.split) if one.file.split in KEPT_FIRST else len(KEPT_FIRST)
    return split, -one.width * one.height, one.file.relative


def _same_bytes(seen: Sequence[Seen]) -> Iterator[Near]:
    """Each copy with the first of its bytes in every split and class: a thousand copies make a thousand links."""
    firsts: dict[str, dict[tuple[str, str], int]] = defaultdict(dict)
    for place, one in enumerate(seen):
        places = firsts[one.sha256]
        for first in places.values():
            yield Near(first, place, distance=0, correlation=1.0, mirrored=False)
        places.setdefault((one.file.split, one.file.label), place)


def _nearly_same(seen: Sequence[Seen]) -> Iterator[Near]:
    """Between the first files of different bytes."""
    first_of: dict[str, int] = {}
    for place, one in enumerate(seen):
        first_of.setdefault(one.sha256, place)
    places = list(first_of.values())
    for near in near_pairs([seen[place] for place in places]):
        yield Near(places[near.first], places[near.second], near.distance, near.correlation, near.mirrored)


def _one_each(seen: Sequence[Seen], links: Sequence[Near]) -> Iterator[Near]:
    """For every file that has an earlier partner, the partner that matters most."""
    partners: dict[int, list[Near]] = defaultdict(list)
    for link in links:
        partners[link.second].append(link)
    for several in partners.values():
        yield min(several, key=lambda link: _weight(seen, link))


def _weight(seen: Sequence[Seen], link: Near) -> tuple[bool, bool, bool, float, int]:
    one, other = seen[link.first], seen[link.second]
    return (
        one.file.split == other.file.split,
        one.file.label == other.file.label,
        one.sha256 != other.sha256,
        -link.correlation,
        link.first,
    )


def _pair(seen: Sequence[Seen], link: Near) -> Pair:
    keep, drop = seen[link.first], seen[link.second]
    return Pair(
        keep=keep.file.relative, keep_label=keep.file.label, keep_split=keep.file.split,
        drop=drop.file.relative, drop_label=drop.file.label, drop_split=drop.file.split,
        same_bytes=keep.sha256 == drop.sha256, mirrored=link.mirrored,
        distance=link.distance, correlation=round(link.correlation, 4),
    )  # fmt: skip


def _numbered(count: int, links: Sequence[Near]) -> Numbers:
    """For each place the number of its group: all that links lead to."""
    ends = np.array([(link.first, link.second) for link in links], dtype=np.int64).reshape(-1, 2)
    graph = coo_matrix((np.ones(len(ends), dtype=bool), (ends[:, 0], ends[:, 1])), shape=(count, count))
    _, numbers = connected_components(graph, directed=False)
    return np.asarray(numbers, dtype=np.int32)


def _groups(seen: Sequence[Seen], numbers: Numbers) -> tuple[tuple[str, ...], ...]:
    members: dict[int, list[str]] = defaultdict(list)
    for one, number in zip(seen, numbers.tolist(), strict=True):
        members[number].append(one.file.relative)
    groups = [tuple(group) for group in members.values() if len(group) > 1]
    return tuple(sorted(groups, key=lambda group: (-len(group), group)))
