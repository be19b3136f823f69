"""The folder of an evaluation of a person's photos: never another's."""

from __future__ import annotations

from pathlib import Path

import pytest

from training.evaluation.listed import folder_name, learnt_of, place_of


def test_a_split_lies_under_its_own_name() -> None:
    assert [folder_name(split) for split in ("train", "validation", "test")] == ["train", "validation", "test"]


def test_a_folder_that_is_called_like_a_split_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert place_of("test") == place_of("./test/") == str(tmp_path / "test")
    assert folder_name(place_of("test")).startswith("data-test-")


def test_no_two_places_share_a_folder() -> None:
    places = (
        "/a/val",
        "/b/val",
        "/a/photos.v1",
        "/a/photos.v2",
        "/a/\u7167\u7247",
        "/a/\u5199\u771f",
        "s3://b/val",
        "s3://c/val",
        "/",
    )
    names = [folder_name(place) for place in places]
    assert len(set(names)) == len(places)
    assert all(name.isascii() and "/" not in name and name.startswith("data-") for name in names)
    assert names[2].startswith("data-photos.v1-")


@pytest.mark.parametrize("address", ["s3://bucket/photos/", "cifar10"])
def test_an_address_that_is_no_path_stays_as_it_is_given(address: str) -> None:
    assert place_of(address) == address


def test_a_place_whose_name_is_no_text_has_a_folder() -> None:
    names = [folder_name(place_of(f"/a/b{odd}")) for odd in ("\udcff", "\udcfe", "\ufffd", "\\xff")]
    assert len(set(names)) == len(names)
    assert all(name.isascii() and "\\" not in name for name in names)


def test_what_a_run_learnt_is_what_its_split_says(tmp_path: Path) -> None:
    (tmp_path / "split.csv").write_text("split,label,path,sha256\ntrain,a,1.png,11\ntest,a,2.png,22\n")
    assert learnt_of(tmp_path) == {"11"}
