"""What the draw of a split promises, over any data set."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from training.data.audited import together
from training.data.records import Photo
from training.data.split import draw_fold, draw_test, draw_validation

DATA_SETS = st.lists(st.integers(5, 40), min_size=2, max_size=5)
SHARES = st.floats(0.01, 0.9)
GROUPED = st.lists(
    st.lists(st.integers(1, 6), min_size=6, max_size=15), min_size=2, max_size=4
)  # groups' sizes, by class


def photos_of(sizes: list[int]) -> list[Photo]:
    """So many different photos of each class, none of them on disk."""
    return [photo_of(label, f"{label}/{number}") for label, size in enumerate(sizes) for number in range(size)]


def photo_of(label: int, content: str, name: str = "") -> Photo:
    return Photo(Path(name or content), name or content, label, hashlib.sha256(content.encode()).hexdigest(), "train")


def side(photos: list[Photo], split: str) -> set[str]:
    return {photo.relative for photo in photos if photo.split == split}


@given(DATA_SETS, SHARES, st.integers(0, 1000))
def test_every_class_validates_by_its_share_and_keeps_a_photo_to_train_on(
    sizes: list[int], share: float, seed: int
) -> None:
    drawn = draw_validation(photos_of(sizes), share, seed)
    assert [photo.relative for photo in drawn] == [photo.relative for photo in photos_of(sizes)]
    counts = Counter(photo.label for photo in drawn if photo.split == "validation")
    assert [counts[label] for label in range(len(sizes))] == [min(n - 1, max(1, round(share * n))) for n in sizes]


@given(DATA_SETS, st.floats(0.01, 0.4), st.floats(0.01, 0.5), SHARES, st.integers(0, 1000), st.integers(0, 1000))
def test_no_seed_and_no_validation_share_moves_a_test_photo(
    sizes: list[int], test_share: float, one: float, other: float, seed: int, other_seed: int
) -> None:
    aside = draw_test(photos_of(sizes), test_share)
    first, second = draw_validation(aside, one, seed), draw_validation(aside, other, other_seed)
    assert side(first, "test") == side(second, "test") == side(aside, "test")
    assert not side(first, "validation") & side(first, "test")
    counts = Counter(photo.label for photo in aside if photo.split == "test")
    assert [counts[label] for label in range(len(sizes))] == [max(1, round(test_share * n)) for n in sizes]


@given(DATA_SETS, st.floats(0.01, 0.9), st.floats(0.01, 0.9))
def test_a_larger_test_share_only_adds_test_photos(sizes: list[int], one: float, other: float) -> None:
    less, more = (side(draw_test(photos_of(sizes), share), "test") for share in sorted((one, other)))
    assert less <= more


@given(DATA_SETS, SHARES, st.integers(0, 1000))
def test_a_photo_that_is_added_to_one_class_moves_none_of_another(sizes: list[int], share: float, seed: int) -> None:
    before = photos_of(sizes)
    after = [*before, photo_of(len(sizes) - 1, "new")]
    kept = [photo.relative for photo in before if photo.label < len(sizes) - 1]
    for drawn in (
        [draw_validation(photos, share, seed) for photos in (before, after)],
        [draw_test(photos, share) for photos in (before, after)],
    ):
        sides = [{photo.relative: photo.split for photo in photos} for photos in drawn]
        assert [sides[0][name] for name in kept] == [sides[1][name] for name in kept]


@settings(max_examples=50)
@given(DATA_SETS, st.integers(2, 5), st.integers(0, 1000), st.sampled_from([0.0, 0.2]))
def test_over_all_folds_every_photo_but_the_test_photos_validates_once(
    sizes: list[int], folds: int, seed: int, test_share: float
) -> None:
    sizes = [size + 4 for size in sizes]
    aside = draw_test(photos_of(sizes), test_share)
    drawn = [draw_fold(aside, folds, fold, seed, list("abcde")) for fold in range(folds)]
    validated = Counter(name for photos in drawn for name in side(photos, "validation"))
    assert set(validated) == side(aside, "train")
    assert set(validated.values()) == {1}
    for label in range(len(sizes)):
        per_fold = [sum(photo.label == label and photo.split == "validation" for photo in photos) for photos in drawn]
        assert max(per_fold) - min(per_fold) <= 1


@given(st.integers(0, 100), st.integers(2, 5))
def test_files_with_the_same_bytes_stay_on_one_side(seed: int, copies: int) -> None:
    photos = photos_of([8, 8]) + [photo_of(0, "0/1", name=f"copy{number}") for number in range(copies)]
    for drawn in (draw_validation(draw_test(photos, 0.2), 0.3, seed), draw_fold(photos, 3, seed % 3, seed, "ab")):
        sides = {photo.split for photo in drawn if photo.sha256 == photos[1].sha256}
        assert len(sides) == 1


@given(st.integers(0, 100), SHARES)
def test_bytes_that_stand_under_two_classes_always_train(seed: int, share: float) -> None:
    photos = [*photos_of([8, 8]), photo_of(1, "0/3", name="stray")]
    for drawn in (draw_validation(draw_test(photos, 0.4), share, seed), draw_fold(photos, 3, seed % 3, seed, "ab")):
        assert {photo.split for photo in drawn if photo.sha256 == photos[3].sha256} == {"train"}


def grouped(sizes: list[list[int]]) -> tuple[list[Photo], dict[str, str]]:
    """Photos in groups of these sizes, and the group of each; one alone is in none."""
    photos, groups = [], {}
    for label, of_class in enumerate(sizes):
        for group, size in enumerate(of_class):
            for number in range(size):
                photos.append(photo_of(label, f"{label}/{group}-{number}"))
                if size > 1:
                    groups[photos[-1].relative] = f"{label}.{group}"
    return photos, groups


def sides_of(photos: list[Photo], groups: dict[str, str]) -> dict[str, set[str]]:
    sides: dict[str, set[str]] = {}
    for photo in photos:
        if photo.relative in groups:
            sides.setdefault(groups[photo.relative], set()).add(photo.split)
    return sides


@given(GROUPED, st.sampled_from([0.0, 0.1, 0.3]), SHARES, st.integers(0, 1000))
def test_no_group_lies_on_two_sides(sizes: list[list[int]], test_share: float, share: float, seed: int) -> None:
    photos, groups = grouped(sizes)
    stays = together(photos, groups)
    aside = draw_test(photos, test_share, stays)
    for drawn in (
        draw_validation(aside, share, seed, stays),
        draw_fold(photos, 3, seed % 3, seed, "abcd", stays),
    ):
        assert all(len(sides) == 1 for sides in sides_of(drawn, groups).values())


@given(GROUPED, SHARES, st.integers(0, 1000))
def test_with_groups_every_class_validates_by_its_share_give_or_take_one_group(
    sizes: list[list[int]], share: float, seed: int
) -> None:
    photos, groups = grouped(sizes)
    drawn = draw_validation(photos, share, seed, together(photos, groups))
    for label, of_class in enumerate(sizes):
        count = sum(photo.label == label and photo.split == "validation" for photo in drawn)
        wanted = min(max(1, round(share * sum(of_class))), sum(of_class) - 1)
        assert 0 < count < sum(of_class)
        assert abs(count - wanted) < max(of_class)


@given(GROUPED, st.floats(0.01, 0.6), st.floats(0.01, 0.6), st.integers(0, 1000), st.integers(0, 1000))
def test_with_groups_no_seed_moves_a_test_photo_and_a_larger_share_only_adds_some(
    sizes: list[list[int]], one: float, other: float, seed: int, other_seed: int
) -> None:
    photos, groups = grouped(sizes)
    stays = together(photos, groups)
    less, more = (draw_test(photos, share, stays) for share in sorted((one, other)))
    assert side(less, "test") <= side(more, "test")
    drawn = [draw_validation(less, 0.2, number, stays) for number in (seed, other_seed)]
    assert side(drawn[0], "test") == side(drawn[1], "test") == side(less, "test")


@settings(max_examples=50)
@given(GROUPED, st.integers(2, 5), st.integers(0, 1000))
def test_with_groups_every_photo_validates_in_one_fold_and_folds_are_equal_but_for_one_group(
    sizes: list[list[int]], folds: int, seed: int
) -> None:
    photos, groups = grouped(sizes)
    drawn = [draw_fold(photos, folds, fold, seed, "abcd", together(photos, groups)) for fold in range(folds)]
    validated = Counter(name for each in drawn for name in side(each, "validation"))
    assert validated == Counter(photo.relative for photo in photos)
    for label, of_class in enumerate(sizes):
        per_fold = [sum(photo.label == label and photo.split == "validation" for photo in each) for each in drawn]
        assert max(per_fold) - min(per_fold) <= max(of_class)


@given(GROUPED, SHARES, st.integers(0, 1000), st.randoms(use_true_random=False))
def test_what_groups_and_files_are_called_does_not_matter(
    sizes: list[list[int]], share: float, seed: int, random: Random
) -> None:
    photos, groups = grouped(sizes)
    drawn = draw_validation(photos, share, seed, together(photos, groups))
    renamed = [replace(photo, relative=f"new/{photo.relative}") for photo in photos]
    random.shuffle(renamed)
    new_groups = {f"new/{name}": f"group {group}" for name, group in groups.items()}
    again = draw_validation(renamed, share, seed, together(renamed, new_groups))
    assert {photo.sha256: photo.split for photo in again} == {photo.sha256: photo.split for photo in drawn}


@given(DATA_SETS, SHARES, st.integers(0, 1000))
def test_groups_of_one_photo_change_nothing(sizes: list[int], share: float, seed: int) -> None:
    photos = photos_of(sizes)
    stays = together(photos, {photo.relative: photo.relative for photo in photos})
    assert draw_test(photos, share, stays) == draw_test(photos, share)
    assert draw_validation(photos, share, seed, stays) == draw_validation(photos, share, seed)
    assert draw_fold(photos, 3, 1, seed, "abcde", stays) == draw_fold(photos, 3, 1, seed, "abcde")


@given(st.integers(0, 100), SHARES)
def test_a_group_of_two_classes_always_trains(seed: int, share: float) -> None:
    photos = photos_of([8, 8])
    stays = together(photos, {"0/3": "1", "0/4": "1", "1/3": "1"})
    for drawn in (
        draw_validation(draw_test(photos, 0.4, stays), share, seed, stays),
        draw_fold(photos, 3, seed % 3, seed, "ab", stays),
    ):
        assert {photo.split for photo in drawn if photo.relative in ("0/3", "0/4", "1/3")} == {"train"}


@given(st.integers(0, 100))
def test_groups_that_have_the_same_bytes_in_them_are_one(seed: int) -> None:
    photos = [*photos_of([12, 12]), photo_of(0, "0/1", name="copy")]
    groups = {"0/0": "1", "0/1": "1", "copy": "2", "0/2": "2"}
    drawn = draw_validation(photos, 0.3, seed, together(photos, groups))
    assert len({photo.split for photo in drawn if photo.relative in groups}) == 1


@given(st.integers(0, 100), SHARES)
def test_what_is_left_of_a_group_beside_a_brought_photo_trains(seed: int, share: float) -> None:
    photos = [*photos_of([8, 8]), replace(photo_of(0, "brought"), split="test")]
    stays = together(photos, {"0/0": "1", "brought": "1", "0/1": "2", "0/2": "2"})
    drawn = {photo.relative: photo.split for photo in draw_validation(photos, share, seed, stays)}
    assert (drawn["brought"], drawn["0/0"]) == ("test", "train")
