"""Which photos train, which validate, and which are set aside to test."""

from __future__ import annotations

import csv
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.training.conftest import write_photos
from tests.training.data.making import CLUTTERED, config_of
from training.audit.files import find_files
from training.data.listing import Listing, Split, list_photos, read_split, write_split
from training.errors import WrongInput

SHARED = Path(__file__).parents[4] / "shared" / "data" / "sports_balls"


def listed(data: Path, **changed: object) -> Listing:
    return list_photos(config_of(data, **changed))


def names(listing: Listing, split: Split) -> list[str]:
    return [photo.relative for photo in listing.of(split)]


def test_the_same_seed_splits_alike_wherever_the_data_lies(photos: Path, tmp_path: Path) -> None:
    moved = Path(shutil.copytree(photos, tmp_path / "elsewhere"))
    here, there = listed(photos, seed=3), listed(moved, seed=3)
    assert names(here, "validation") == names(there, "validation")
    assert here.fingerprint == there.fingerprint
    assert here.of("validation") != listed(photos, seed=4).of("validation")


def test_a_changed_byte_changes_the_fingerprint(tmp_path: Path) -> None:
    data = write_photos(tmp_path / "data")
    before = listed(data).fingerprint
    with (data / "jade" / "000.png").open("ab") as file:
        file.write(b"!")
    assert listed(data).fingerprint != before


@pytest.mark.parametrize("name", ["validation", "val", "valid"])
def test_validation_and_test_folders_are_taken_as_they_are(tmp_path: Path, name: str) -> None:
    write_photos(tmp_path / "train", per_class=4)
    write_photos(tmp_path / name, per_class=2, first=10)
    write_photos(tmp_path / "test", per_class=1, first=20)
    listing = listed(tmp_path, validation_share=0.5, test_share=0.4)
    folders = {photo.split: photo.relative.split("/")[0] for photo in listing.photos}
    assert folders == {"train": "train", "validation": name, "test": "test"}
    assert (len(listing.of("train")), len(listing.of("validation")), len(listing.of("test"))) == (12, 6, 3)


def test_a_train_folder_alone_is_split_and_a_test_folder_beside_it_stays_what_it_is(tmp_path: Path) -> None:
    write_photos(tmp_path / "train", per_class=5)
    write_photos(tmp_path / "test", per_class=1, first=20)
    listing = listed(tmp_path)
    assert (len(listing.of("train")), len(listing.of("validation"))) == (12, 3)
    assert names(listing, "test") == [f"test/{name}/020.png" for name in listing.classes]


@pytest.mark.parametrize("split", ["val", "test"])
def test_a_class_that_nothing_trains_is_refused(tmp_path: Path, split: str) -> None:
    write_photos(tmp_path / "train")
    write_photos(tmp_path / split)
    (tmp_path / split / "mauve").mkdir()
    with pytest.raises(WrongInput, match="mauve has no class of that name"):
        listed(tmp_path)


def test_photos_lie_at_any_depth_and_hidden_files_and_folders_are_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = write_photos(tmp_path / "data")
    for hidden in (data / ".git", data / "jade" / ".ipynb_checkpoints"):
        hidden.mkdir()
        (hidden / "a.png").write_bytes(b"x")
    (data / "jade" / ".DS_Store").write_bytes(b"x")
    (data / "jade" / "gone.png").symlink_to(data / "nowhere.png")
    (data / "jade" / "deeper").mkdir()
    (data / "jade" / "000.png").rename(data / "jade" / "deeper" / "000.png")
    listing = listed(data)
    assert len(listing.photos) == 18
    assert "jade/deeper/000.png" in {photo.relative for photo in listing.photos}
    monkeypatch.chdir(data)
    assert listed(Path()).fingerprint == listing.fingerprint


@pytest.mark.parametrize("split", ["", "train/"])
def test_what_systems_leave_among_photos_is_neither_photo_nor_class(tmp_path: Path, split: str) -> None:
    notes: list[str] = []
    write_photos(tmp_path / "clean" / split)
    data = write_photos(tmp_path / "data" / split)
    for place in CLUTTERED:
        (data / place).parent.mkdir(parents=True, exist_ok=True)
        (data / place).write_bytes(b"x")
    if split:  # beside the splits, too
        (tmp_path / "data" / "@eaDir" / "jade").mkdir(parents=True)
        (tmp_path / "data" / "Thumbs.db").write_bytes(b"x")
    listing = list_photos(config_of(tmp_path / "data"), on_note=notes.append)
    assert listing.fingerprint == list_photos(config_of(tmp_path / "clean")).fingerprint
    assert listing.classes == ("amber", "jade", "slate")
    assert notes == []
    assert len(find_files(str(tmp_path / "data")).files) == len(listing.photos) == 18


@pytest.mark.parametrize("name", ["found", "found.0000", "foundations", "icon", "thumbs", "syno", "@home", "cache"])
def test_what_only_resembles_clutter_is_a_class(tmp_path: Path, name: str) -> None:
    write_photos(tmp_path)
    (tmp_path / "jade").rename(tmp_path / name)
    assert name in list_photos(config_of(tmp_path)).classes


@pytest.mark.parametrize("mark", ["\u200b", "\ufeff", "\u2060", "\u200e"])
def test_classes_that_differ_in_a_mark_without_width_get_a_note_that_shows_it(tmp_path: Path, mark: str) -> None:
    write_photos(tmp_path)
    (tmp_path / "slate").rename(tmp_path / f"jade{mark}")
    notes: list[str] = []
    list_photos(config_of(tmp_path), on_note=notes.append)
    [note] = notes
    assert note.startswith(f"the classes 'jade' and {f'jade{mark}'!r} differ only in marks that take no room: they are")
    assert mark not in note


@pytest.mark.parametrize(("other", "table"), [("Jade", False), ("jade ", False), ("JADE", True)])
def test_classes_that_differ_only_in_capitals_or_spaces_get_a_note(tmp_path: Path, other: str, table: bool) -> None:
    data = write_photos(tmp_path / "data")
    (data / "slate").rename(data / other)
    if table:
        rows = [f"{path.relative_to(data)},{path.parent.name}" for path in sorted(data.rglob("*.png"))]
        data = data / "photos.csv"
        data.write_text("\n".join(["path,label", *rows]))
    notes: list[str] = []
    listing = list_photos(config_of(data), on_note=notes.append)
    assert set(listing.classes) == {"amber", "jade", other}
    [note] = notes
    assert f"{min('jade', other)!r} and {max('jade', other)!r} differ only in capitals or spaces" in note
    assert note.endswith("Give both the same name if they are one")


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


@pytest.mark.parametrize(
    ("name", "words"),
    [(" ", "' ' should have 1 to 256 characters"), ("\u2003", r"'\u2003' should have 1 to 256 characters")],
)
def test_a_class_whose_name_no_archive_may_hold_is_refused_at_the_beginning(
    photos: Path, tmp_path: Path, name: str, words: str
) -> None:
    data = shutil.copytree(photos, tmp_path / "photos")
    (data / "jade").rename(data / name)
    with pytest.raises(WrongInput, match=rf"In the data, the class name .*{re.escape(words)}.* Rename it\."):
        list_photos(config_of(data))


def test_folds_beside_a_validation_folder_are_refused(tmp_path: Path) -> None:
    write_photos(tmp_path / "train")
    write_photos(tmp_path / "val")
    with pytest.raises(WrongInput, match=r"folds = 3, but the data has its own 18 validation photos"):
        listed(tmp_path, folds=3)


def test_more_folds_than_a_class_has_photos_are_refused(photos: Path) -> None:
    with pytest.raises(WrongInput, match="folds = 7, and class 'amber' has only 6 different photos"):
        listed(photos, folds=7)


def test_the_split_is_frozen_as_a_file_and_read_back(photos: Path, tmp_path: Path) -> None:
    listing = listed(photos, test_share=0.2)
    write_split(listing, tmp_path / "split.csv")
    with (tmp_path / "split.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 18
    assert {row["split"] for row in rows} == {"train", "validation", "test"}
    first = listing.photos[0]
    assert rows[0] == {"split": first.split, "label": "amber", "path": first.relative, "sha256": first.sha256}
    assert read_split(tmp_path / "split.csv", str(photos)) == listing
    assert listed(photos, split=tmp_path / "split.csv", seed=9) == listing


def test_a_split_may_be_read_for_one_side_alone(tmp_path: Path) -> None:
    data = write_photos(tmp_path / "data")
    listing = listed(data)
    write_split(listing, tmp_path / "split.csv")
    for photo in listing.of("train"):
        photo.path.unlink()
    found = read_split(tmp_path / "split.csv", str(data), only="validation")
    assert (found.classes, list(found.photos)) == (listing.classes, listing.of("validation"))


def test_a_split_whose_photos_are_gone_or_changed_is_refused_with_their_names_and_number(tmp_path: Path) -> None:
    data = write_photos(tmp_path / "data")
    write_split(listed(data), tmp_path / "split.csv")
    write_photos(data, per_class=1, first=50)  # new ones do no harm
    read_split(tmp_path / "split.csv", str(data))
    (data / "jade" / "001.png").unlink()
    (data / "jade" / "004.png").unlink()
    (data / "slate" / "002.png").write_bytes(b"other")
    with pytest.raises(
        WrongInput, match=r"2 photos are gone .* as jade/00.\.png, and 1 photo has .* as slate/002\.png"
    ):
        listed(data, split=tmp_path / "split.csv")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("path,label\n", "first line"), ("split,label,path,sha256\ntrain,jade\n", "line 2"), (None, "cannot be read")],
)
def test_a_file_that_is_no_split_is_refused(photos: Path, tmp_path: Path, text: str | None, sentence: str) -> None:
    if text is not None:
        (tmp_path / "split.csv").write_text(text)
    with pytest.raises(WrongInput, match=sentence):
        listed(photos, split=tmp_path / "split.csv")


def test_hashing_counts_up_to_every_file(photos: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    list_photos(config_of(photos), on_count=lambda now: seen.append((now.step, now.done, now.total)))
    assert seen[-1] == ("hashing", 18, 18)


def test_a_file_name_that_is_no_text_is_written_and_read_back(tmp_path: Path) -> None:
    data = write_photos(tmp_path / "data")
    odd = Path(str(data / "jade" / "odd") + "\udcff\n.png")  # a byte that is no UTF-8
    (data / "jade" / "001.png").rename(odd)
    listing = listed(data)
    write_split(listing, tmp_path / "split.csv")
    assert read_split(tmp_path / "split.csv", str(data)) == listing


@pytest.mark.skipif(not SHARED.is_dir(), reason="the scraped photos of sports balls are not on this machine")
def test_real_photos_are_split_with_the_one_that_has_two_labels_on_the_training_side() -> None:
    listing = listed(SHARED, test_share=0.1)
    labels: dict[str, set[int]] = {}
    for photo in listing.photos:
        labels.setdefault(photo.sha256, set()).add(photo.label)
    two = {sha256 for sha256, found in labels.items() if len(found) > 1}
    assert (len(listing.photos), len(listing.classes)) == (7328, 15)
    assert {photo.split for photo in listing.photos if photo.sha256 in two} == {"train"}
    assert abs(len(listing.of("test")) - 733) < 15 > abs(len(listing.of("validation")) - 1466)


def test_a_class_folder_whose_name_is_no_text_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    """It becomes a label in model.json, which is written after the last epoch."""
    data = write_photos(tmp_path / "data")
    (data / "jade").rename(data / os.fsdecode(b"caf\xe9"))
    with pytest.raises(WrongInput, match="name is not UTF-8") as refusal:
        listed(data)
    str(refusal.value).encode()


@contextmanager
def nobody() -> Iterator[None]:
    """Root may open everything: it becomes somebody else meanwhile."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def test_a_class_folder_that_may_not_be_opened_is_named_in_a_sentence(tmp_path: Path) -> None:
    data = write_photos(tmp_path / "data")
    (data / "jade").chmod(0)
    try:
        with nobody(), pytest.raises(WrongInput, match=f"^{tmp_path}.* may not be opened"):
            listed(data)
    finally:
        (data / "jade").chmod(0o755)


def test_a_class_whose_photos_are_in_another_one_too_is_told_which(tmp_path: Path) -> None:
    data = write_photos(tmp_path / "data")
    shutil.rmtree(data / "slate")
    shutil.copytree(data / "jade", data / "slate")
    with pytest.raises(
        WrongInput, match=r"'jade' has no photo for validation: each .* as jade/00\d\.png, which is"
    ) as told:
        listed(data)
    assert "of class 'slate'" in str(told.value)
    assert "readable" not in str(told.value)


def test_a_class_of_one_photo_several_times_is_told_so(tmp_path: Path) -> None:
    data = write_photos(tmp_path / "data")
    for path in (data / "jade").iterdir():
        path.write_bytes(b"the same")
    with pytest.raises(WrongInput, match="'jade' has no photo for validation: it has only 6 files of the same bytes"):
        listed(data)
