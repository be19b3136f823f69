"""Who trains, who validates, who is set aside to test: drawn by content, so that neither names nor the system matter.

Within a class, contents are ordered by the hash of a salt and their own sha256, and the first of them are drawn. A photo
that is added to one class moves none of another. Files with the same bytes lie on one side; bytes that stand under two
classes always train, for no answer about them could be judged.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from training.data.records import Photo, Split
from training.errors import WrongInput

TEST_SALT = "test"  # not the seed: what no choice may look at stays the same whatever is tried


def draw_test(photos: Sequence[Photo], share: float) -> list[Photo]:
    """Set `share` of every class aside as `test`; the same photos whatever the seed, and among them those of any smaller share.

    A class keeps at least two photos, to train on and to validate on.
    """
    return _drawn(photos, share, TEST_SALT, "test", keeps=2) if share else list(photos)


def draw_validation(photos: Sequence[Photo], share: float, seed: int) -> list[Photo]:
    """Let `share` of every class, at least one photo and not all, validate; `test` photos count, and stay what they are."""
    return _drawn(photos, share, str(seed), "validation", keeps=1)


def draw_fold(photos: Sequence[Photo], folds: int, fold: int, seed: int, classes: Sequence[str]) -> list[Photo]:
    """Let one of `folds` parts of every class validate: over all folds each photo validates once, but for `test` photos.

    Raises WrongInput where a class has fewer different photos than there are folds.
    """
    drawn: set[str] = set()
    for label, contents in _contents(photos).items():
        if len(contents) < folds:
            raise WrongInput(
                f"folds = {folds}, and class {classes[label]!r} has only {len(contents)} different photos to divide."
                " Use fewer folds, or add photos."
            )
        drawn.update(_ordered(contents, str(seed))[fold::folds])
    return _moved(photos, drawn, "validation")


def _drawn(photos: Sequence[Photo], share: float, salt: str, split: Split, *, keeps: int) -> list[Photo]:
    of_class = Counter(photo.label for photo in photos)
    left = Counter(photo.label for photo in photos if photo.split == "train")
    drawn: set[str] = set()
    for label, contents in _contents(photos).items():
        wanted, taken = max(1, round(share * of_class[label])), 0
        for sha256 in _ordered(contents, salt):
            if taken < wanted and taken + contents[sha256] <= left[label] - keeps:
                taken += contents[sha256]
                drawn.add(sha256)
    return _moved(photos, drawn, split)


def _contents(photos: Iterable[Photo]) -> dict[int, Counter[str]]:
    """Of every class, how many files each of its contents has that may be drawn."""
    contents: dict[int, Counter[str]] = defaultdict(Counter)
    labels: dict[str, set[int]] = defaultdict(set)
    for photo in photos:
        labels[photo.sha256].add(photo.label)
        if photo.split == "train":
            contents[photo.label][photo.sha256] += 1
    return {
        label: Counter({sha256: count for sha256, count in found.items() if len(labels[sha256]) == 1})
        for label, found in contents.items()
    }


def _ordered(contents: Mapping[str, int], salt: str) -> list[str]:
    return sorted(contents, key=lambda sha256: hashlib.sha256(f"{salt}:{sha256}".encode()).digest())


def _moved(photos: Iterable[Photo], drawn: set[str], split: Split) -> list[Photo]:
    return [
        replace(photo, split=split) if photo.split == "train" and photo.sha256 in drawn else photo for photo in photos
    ]
