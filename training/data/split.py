"""Train, validation and test split, drawn by content, so that neither file names nor the system matter.

Within a class, contents are ordered by the hash of a salt and their own sha256, and the first of them are drawn. A photo
that is added to one class moves none of another. Files with the same bytes are in one split; if they have two classes,
they always train, because their true class is unknown.

With `together`, groups are drawn in place of contents, whole, each under the smallest sha256 in it: a class then gets its
share as nearly as its groups allow. A group of two classes always trains, and so does what is left of a group that has
a photo in the data's own validation or test split.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from training.data.records import Photo, Split
from training.errors import WrongInput
from training.sentences import plural

Together = Mapping[str, str]  # sha256 -> the smallest one in its group; a photo that is not in it is a group of its own

ALONE: Together = {}
TEST_SALT = "test"  # not the seed: held-out photos stay the same for every seed


def draw_test(photos: Sequence[Photo], share: float, together: Together = ALONE) -> list[Photo]:
    """Set `share` of every class aside as `test`; the same photos whatever the seed, and a larger share includes a smaller one.

    A class keeps at least two photos, to train on and to validate on.
    """
    return _drawn(photos, share, TEST_SALT, "test", together, keeps=2) if share else list(photos)


def draw_validation(photos: Sequence[Photo], share: float, seed: int, together: Together = ALONE) -> list[Photo]:
    """Draw `share` of every class for validation, at least one photo and not all; `test` photos count, and stay test."""
    return _drawn(photos, share, str(seed), "validation", together, keeps=1)


def draw_fold(
    photos: Sequence[Photo], folds: int, fold: int, seed: int, classes: Sequence[str], together: Together = ALONE
) -> list[Photo]:
    """Draw one of `folds` parts of every class for validation: over all folds each photo validates once, except `test` photos.

    Raises WrongInput if a class has fewer different photos, or groups, than there are folds.
    """
    drawn: set[str] = set()
    for label, contents in _contents(photos, together).items():
        if len(contents) < folds:
            what = "group or photo" if together else "different photo"
            many = "photos and groups of photos" if together else "different photos"
            raise WrongInput(
                f"folds = {folds}, and class {classes[label]!r} has only {plural(len(contents), what, many)} to divide."
                " Use fewer folds, or add photos."
            )
        sizes = contents if together else dict.fromkeys(contents, 1)
        drawn.update(_dealt(sizes, folds, str(seed))[fold])
    return _moved(photos, drawn, "validation", together)


def _drawn(
    photos: Sequence[Photo], share: float, salt: str, split: Split, together: Together, *, keeps: int
) -> list[Photo]:
    of_class = Counter(photo.label for photo in photos)
    left = Counter(photo.label for photo in photos if photo.split == "train")
    drawn: set[str] = set()
    for label, contents in _contents(photos, together).items():
        wanted, taken = max(1, round(share * of_class[label])), 0
        for key in _ordered(contents, salt):
            more = taken + contents[key]
            if more > left[label] - keeps:
                continue
            if taken >= wanted or (together and taken and more - wanted > wanted - taken):
                break  # no smaller one is looked for: a larger share only adds
            taken = more
            drawn.add(key)
    return _moved(photos, drawn, split, together)


def _contents(photos: Iterable[Photo], together: Together) -> dict[int, Counter[str]]:
    """Of every class, how many files each of its contents, or groups, has that may be drawn."""
    contents: dict[int, Counter[str]] = defaultdict(Counter)
    labels: dict[str, set[int]] = defaultdict(set)
    elsewhere: set[str] = set()
    for photo in photos:
        key = together.get(photo.sha256, photo.sha256)
        labels[key].add(photo.label)
        if photo.split == "train":
            contents[photo.label][key] += 1
        elif photo.sha256 in together:
            elsewhere.add(key)
    return {
        label: Counter({key: n for key, n in found.items() if len(labels[key]) == 1 and key not in elsewhere})
        for label, found in contents.items()
    }


def _ordered(contents: Iterable[str], salt: str) -> list[str]:
    return sorted(contents, key=lambda key: hashlib.sha256(f"{salt}:{key}".encode()).digest())


def _dealt(sizes: Mapping[str, int], folds: int, salt: str) -> list[list[str]]:
    """Each to the fold that has the fewest photos so far, the largest first; equal ones one after the other."""
    dealt: list[list[str]] = [[] for _ in range(folds)]
    photos = [0] * folds
    for key in sorted(_ordered(sizes, salt), key=lambda key: -sizes[key]):
        fewest = photos.index(min(photos))
        dealt[fewest].append(key)
        photos[fewest] += sizes[key]
    return dealt


def _moved(photos: Iterable[Photo], drawn: set[str], split: Split, together: Together) -> list[Photo]:
    return [
        replace(photo, split=split)
        if photo.split == "train" and together.get(photo.sha256, photo.sha256) in drawn
        else photo
        for photo in photos
    ]
