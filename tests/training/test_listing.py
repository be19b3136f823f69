"""Which photos train and which validate."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.conftest import COLOURS, write_photos
from training.errors import WrongInput
from training.listing import Listing, list_photos, write_split


def listed(data: Path, *, validation_share: float = 0.2, seed: int = 0) -> Listing:
    return list_photos(data, validation_share=validation_share, seed=seed)


@settings(max_examples=25, deadline=None)
@given(share=st.floats(0.01, 0.99), seed=st.integers(0, 1000))
def test_a_split_keeps_every_photo_once_and_every_class_on_both_sides(photos: Path, share: float, seed: int) -> None:
    listing = listed(photos, validation_share=share, seed=seed)
    assert sorted(photo.path for photo in listing.photos) == sorted(photos.rglob("*.png"))
    for label in range(len(COLOURS)):
        validating = sum(photo.label == label for photo in listing.of("validation"))
        assert validating == min(5, max(1, round(share * 6)))


def test_the_same_seed_splits_alike_wherever_the_data_lies(photos: Path, tmp_path: Path) -> None:
    moved = Path(shutil.copytree(photos, tmp_path / "elsewhere"))
    here, there = listed(photos, seed=3), listed(moved, seed=3)
    assert [photo.relative for photo in here.of("validation")] == [photo.relative for photo in there.of("validation")]
    assert here.fingerprint == there.fingerprint
    assert here.of("validation") != listed(photos, seed=4).of("validation")


def test_a_changed_byte_changes_the_fingerprint(tmp_path: Path) -> None:
    data = write_photos(tmp_path / "data")
    before = listed(data).fingerprint
    with (data / "jade" / "000.png").open("ab") as file:
        file.write(b"!")
    assert listed(data).fingerprint != before


def test_files_with_the_same_bytes_stay_on_one_side(tmp_path: Path) -> None:
    data = write_photos(tmp_path / "data")
    for number in range(3):
        shutil.copy(data / "jade" / "001.png", data / "jade" / f"copy{number}.png")
    for seed in range(12):
        sides = {photo.sha256: set[str]() for photo in listed(data).photos}
        for photo in listed(data, seed=seed).photos:
            sides[photo.sha256].add(photo.split)
        assert all(len(found) == 1 for found in sides.values())


@pytest.mark.parametrize("name", ["validation", "val", "valid"])
def test_a_validation_folder_is_taken_as_it_is_and_a_test_folder_is_never_read(tmp_path: Path, name: str) -> None:
    write_photos(tmp_path / "train", per_class=4)
    write_photos(tmp_path / name, per_class=2, first=10)
    write_photos(tmp_path / "test", per_class=2, first=20)
    listing = listed(tmp_path)
    assert {photo.relative.split("/")[0] for photo in listing.of("train")} == {"train"}
    assert {photo.relative.split("/")[0] for photo in listing.of("validation")} == {name}
    assert (len(listing.of("train")), len(listing.of("validation"))) == (12, 6)


def test_a_train_folder_alone_is_split(tmp_path: Path) -> None:
    write_photos(tmp_path / "train", per_class=5)
    listing = listed(tmp_path)
    assert (len(listing.of("train")), len(listing.of("validation"))) == (12, 3)


def test_a_class_that_only_validates_is_refused(tmp_path: Path) -> None:
    write_photos(tmp_path / "train")
    write_photos(tmp_path / "val")
    (tmp_path / "val" / "mauve").mkdir()
    with pytest.raises(WrongInput, match="mauve has no class of that name"):
        listed(tmp_path)


def test_hidden_files_and_folders_are_no_photos(tmp_path: Path) -> None:
    data = write_photos(tmp_path / "data")
    (data / ".git").mkdir()
    (data / "jade" / ".DS_Store").write_bytes(b"x")
    assert len(listed(data).photos) == 18


def test_data_that_cannot_teach_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(WrongInput, match="is no folder"):
        listed(tmp_path / "nowhere")
    (tmp_path / "only").mkdir()
    with pytest.raises(WrongInput, match="has no class folders"):
        listed(tmp_path / "only")
    (tmp_path / "only" / "jade").mkdir()
    with pytest.raises(WrongInput, match="only one class, 'jade'"):
        listed(tmp_path / "only")
    (tmp_path / "only" / "slate").mkdir()
    with pytest.raises(WrongInput, match="'jade' has no readable photo for train"):
        listed(tmp_path / "only")


def test_the_split_is_frozen_as_a_file(photos: Path, tmp_path: Path) -> None:
    listing = listed(photos)
    write_split(listing, tmp_path / "split.csv")
    with (tmp_path / "split.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 18
    assert {row["split"] for row in rows} == {"train", "validation"}
    assert rows[0] == {
        "split": listing.photos[0].split,
        "label": "amber",
        "path": listing.photos[0].relative,
        "sha256": listing.photos[0].sha256,
    }
