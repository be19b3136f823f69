"""What an audit found, as a training uses it: photos that stay together, photos that are left out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training.conftest import write_photos
from tests.training.data.making import config_of
from training.data.audited import listed_as, spelled
from training.data.listing import Listing, list_photos
from training.errors import WrongInput
from training.settings.config import read_config, write_config


def written(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8", errors="surrogateescape")
    return path


def listed(data: Path, **changed: object) -> tuple[Listing, list[str]]:
    notes: list[str] = []
    return list_photos(config_of(data, **changed), on_note=notes.append), notes


def test_photos_of_one_group_lie_on_one_side_whatever_the_seed(photos: Path, tmp_path: Path) -> None:
    names = [f"jade/00{number}.png" for number in range(3)]
    groups = written(tmp_path / "groups.csv", "path,group", *(f"{name},1" for name in names))
    seen = set()
    for seed in range(12):
        listing, _ = listed(photos, groups=groups, seed=seed, validation_share=0.4)
        sides = {photo.split for photo in listing.photos if photo.relative in names}
        assert len(sides) == 1
        seen |= sides
    assert seen == {"train", "validation"}


def test_a_photo_of_a_group_may_be_gone(photos: Path, tmp_path: Path) -> None:
    groups = written(tmp_path / "groups.csv", "path,group", "jade/000.png,1", "jade/removed.png,1")
    assert listed(photos, groups=groups)[0] == listed(photos)[0]


def test_an_audit_that_found_no_groups_changes_nothing(photos: Path, tmp_path: Path) -> None:
    groups = written(tmp_path / "groups.csv", "path,group")
    assert listed(photos, groups=groups)[0] == listed(photos)[0]


def test_a_validation_folder_stays_what_it_is_also_with_groups(tmp_path: Path) -> None:
    write_photos(tmp_path / "train", per_class=4)
    write_photos(tmp_path / "val", per_class=2, first=10)
    pair = ("train/jade/000.png", "val/jade/010.png")
    groups = written(tmp_path / "groups.csv", "path,group", *(f"{name},1" for name in pair))
    listing, _ = listed(tmp_path, groups=groups, test_share=0.3)
    sides = {photo.relative: photo.split for photo in listing.photos}
    assert [sides[name] for name in pair] == ["train", "validation"]
    assert listing.of("test")


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (("path,label", "jade/000.png,jade"), "is no groups file: its first line lacks path,group"),
        (("path,group", "jade/000.png"), "line 2: path,group must not be empty"),
        (("path,group", "jade/000.png,1", "jade/000.png,2"), r"line 3: jade/000\.png is in group 1 already"),
        (("path,group", "other/a.png,1"), r"names none of the photos, but others, as other/a\.png\. .* like amber/000"),
        (None, "cannot be read"),
    ],
)
def test_a_file_that_is_no_groups_file_is_refused(
    photos: Path, tmp_path: Path, lines: tuple[str, ...] | None, sentence: str
) -> None:
    if lines is not None:
        written(tmp_path / "groups.csv", *lines)
    with pytest.raises(WrongInput, match=sentence):
        listed(photos, groups=tmp_path / "groups.csv")


def test_a_picture_in_place_of_a_groups_file_is_refused(photos: Path) -> None:
    with pytest.raises(WrongInput, match="is no groups file"):
        listed(photos, groups=photos / "jade" / "000.png")


def test_a_class_that_is_one_group_cannot_be_divided(photos: Path, tmp_path: Path) -> None:
    lines = [f"jade/00{number}.png,1" for number in range(6)]
    groups = written(tmp_path / "groups.csv", "path,group", *lines)
    with pytest.raises(WrongInput, match="class 'jade' lies in one group"):
        listed(photos, groups=groups)
    with pytest.raises(WrongInput, match="class 'jade' has only 1 group or photo to divide"):
        listed(photos, groups=groups, folds=2)


def test_photos_that_a_list_names_are_left_out_and_those_that_are_not_there_counted(
    photos: Path, tmp_path: Path
) -> None:
    lines = ("jade/000.png,leak", "jade/000.png,conflict", "./slate/001.png,label", "jade/removed.png,corrupt")
    exclude = written(tmp_path / "issues.csv", "path,issue", *lines)
    listing, notes = listed(photos, exclude=exclude)
    before = {photo.relative for photo in listed(photos)[0].photos}
    assert before - {photo.relative for photo in listing.photos} == {"jade/000.png", "slate/001.png"}
    assert notes == [
        f"exclude = {exclude}: 2 photos are left out; 1 that it names is not in the data, as jade/removed.png"
    ]


def test_left_out_photos_are_in_no_split_that_the_data_brings(tmp_path: Path) -> None:
    write_photos(tmp_path / "train", per_class=4)
    write_photos(tmp_path / "test", per_class=2, first=10)
    listing, _ = listed(tmp_path, exclude=written(tmp_path / "out.csv", "path", "test/jade/010.png"))
    assert "test/jade/010.png" not in {photo.relative for photo in listing.photos}


def test_a_broken_file_may_be_left_out_before_it_is_read(tmp_path: Path) -> None:
    data = write_photos(tmp_path / "data")
    (data / "jade" / "odd\udcff.png").write_bytes(b"?")
    exclude = written(tmp_path / "issues.csv", "path,issue", f"{listed_as('jade/odd\udcff.png')},corrupt")
    listing, notes = listed(data, exclude=exclude)
    assert len(listing.photos) == 18
    assert notes == [f"exclude = {exclude}: 1 photo is left out"]


def test_groups_and_a_list_go_together(photos: Path, tmp_path: Path) -> None:
    groups = written(tmp_path / "groups.csv", "path,group", "jade/000.png,1", "jade/001.png,1")
    exclude = written(tmp_path / "issues.csv", "path,issue", "jade/000.png,label", "jade/001.png,label")
    listing, _ = listed(photos, groups=groups, exclude=exclude)
    assert len(listing.photos) == 16


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (("file", "jade/000.png"), "its first line lacks path"),
        (("path", "train/jade/000.png"), "names none of the photos"),
    ],
)
def test_a_list_that_is_none_or_of_other_data_is_refused(
    photos: Path, tmp_path: Path, lines: tuple[str, ...], sentence: str
) -> None:
    with pytest.raises(WrongInput, match=sentence):
        listed(photos, exclude=written(tmp_path / "issues.csv", *lines))


@pytest.mark.parametrize("name", ["groups", "exclude"])
def test_a_split_excludes_groups_and_exclude(name: str) -> None:
    with pytest.raises(WrongInput, match="split excludes groups and exclude"):
        config_of("photos", split="split.csv", **{name: "some.csv"})


def test_both_are_kept_with_the_settings(tmp_path: Path) -> None:
    config = config_of("photos", groups="audits/a/groups.csv", exclude="mine.csv")
    write_config(config, tmp_path / "config.yaml")
    assert read_config(tmp_path / "config.yaml") == config
    assert "groups: audits/a/groups.csv\n" in (tmp_path / "config.yaml").read_text()


ODD_NAMES = st.text(st.sampled_from("\\xfe9a/\udcff\udc80é\ufffd"), max_size=8)
A_BYTE = re.compile(r"(\\+)(?=x[89a-f][0-9a-f])")


def read_again(name: str) -> str:
    """The name of which `spelled` made the text: before xff, every two backslashes are one, and one alone makes it a byte."""

    def undone(found: re.Match[str]) -> str:
        return "\\" * (len(found[1]) // 2) + ("\0" if len(found[1]) % 2 else "")

    marked = A_BYTE.sub(undone, name)
    return re.sub("\0x(..)", lambda found: chr(0xDC00 + int(found[1], 16)), marked)


@given(ODD_NAMES)
def test_the_spelling_of_a_name_says_which_name_it_is(name: str) -> None:
    assert read_again(spelled(name)) == name


def test_names_that_are_text_stay_as_they_are_and_bytes_are_as_python_shows_them() -> None:
    assert spelled("a\\b é \ufffd.jpg") == "a\\b é \ufffd.jpg"
    assert spelled("\udcff\udcfe.jpg") == "\\xff\\xfe.jpg"
    assert spelled("\\xff\\xfe.jpg") == "\\\\xff\\\\xfe.jpg"


@pytest.mark.parametrize(
    ("name", "listed_name"),
    [(name, listed_as(name)) for name in ("odd\udcff.png", "odd\\xff.png", "odd\x1b.png")]
    + [(name, name) for name in ("odd\udcff.png", "odd\x1b.png")],
    ids=["a byte", "a backslash", "ESC", "a byte, by ls", "ESC, by ls"],
)
def test_an_audit_and_a_person_name_an_odd_photo_each_in_their_way(name: str, listed_name: str, tmp_path: Path) -> None:
    data = write_photos(tmp_path / "data")
    (data / "jade" / name).write_bytes(b"?")
    exclude = written(tmp_path / "out.csv", "path", f"jade/{listed_name}")
    _, notes = listed(data, exclude=exclude)
    assert notes == [f"exclude = {exclude}: 1 photo is left out"]
