"""Which folders are classes, which are splits, and what is refused or left out with a note."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.training.conftest import write_photos
from tests.training.data.making import config_of
from tests.training.data.test_listing import nobody
from training.audit.files import NO_SPLIT, find_files
from training.data.listing import Listing, list_photos, read_split, write_split
from training.errors import WrongInput
from training.evaluation.listed import photos_of_person


def listed(data: Path, **changed: object) -> Listing:
    return list_photos(config_of(data, **changed))


def notes_of(data: Path) -> list[str]:
    notes: list[str] = []
    list_photos(config_of(data), on_note=notes.append)
    return notes


def photos_in(folder: Path, *, first: int = 500) -> Path:
    """Three photos directly in a folder."""
    write_photos(folder.parent / ".made", per_class=3, first=first)
    folder.parent.mkdir(exist_ok=True)
    (folder.parent / ".made" / "jade").rename(folder)
    return folder


@pytest.mark.parametrize("names", [["train"], ["val"], ["test"], ["train", "valid", "test"]])
def test_a_folder_of_photos_beside_classes_is_a_class_even_if_it_has_the_name_of_a_split(
    tmp_path: Path, names: list[str]
) -> None:
    write_photos(tmp_path)
    for number, name in enumerate(names):
        photos_in(tmp_path / name, first=500 + 10 * number)
    classes = tuple(sorted(["amber", "jade", "slate", *names]))
    listing, audited = listed(tmp_path), find_files(str(tmp_path))
    assert (listing.classes, audited.classes) == (classes, classes)
    assert len(listing.photos) == len(audited.files) == 18 + 3 * len(names)
    assert {file.split for file in audited.files} == {NO_SPLIT}
    assert {photo.split for photo in listing.photos if listing.classes[photo.label] in names} == {"train", "validation"}
    assert len(photos_of_person(str(tmp_path), classes)) == len(listing.photos)


def refused(data: Path, sentence: str) -> None:
    for found in (lambda: listed(data), lambda: find_files(str(data))):
        with pytest.raises(WrongInput, match=sentence):
            found()


def test_splits_with_photos_directly_in_them_are_refused_with_what_was_seen(tmp_path: Path) -> None:
    photos_in(tmp_path / "train")
    refused(tmp_path, "has train/ with 3 files and no class folders")
    photos_in(tmp_path / "test", first=600)
    refused(tmp_path, "has train/ and test/ with 6 files and no class folders.* as .*/train/CLASS")
    write_photos(tmp_path / "val")
    refused(tmp_path, "has train/ and test/ with 6 files and no class folders")


def test_an_empty_train_folder_beside_classes_is_refused(tmp_path: Path) -> None:
    write_photos(tmp_path)
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / ".DS_Store").write_bytes(b"x")
    refused(tmp_path, "train is empty, beside amber/, jade/ and slate/. Put photos into it, or remove it")


def test_a_test_folder_with_the_classes_that_lie_beside_it_is_no_class(tmp_path: Path) -> None:
    write_photos(tmp_path)
    write_photos(tmp_path / "test", first=50)
    refused(
        tmp_path, r"has the classes amber/, jade/ and slate/ and .*/test has them, too. Put those .* into .*/train\."
    )


def test_validation_and_test_folders_without_train_are_audited_and_not_trained_on(tmp_path: Path) -> None:
    write_photos(tmp_path / "val")
    write_photos(tmp_path / "test", first=50)
    assert {file.split for file in find_files(str(tmp_path)).files} == {"validation", "test"}
    with pytest.raises(WrongInput, match="has val/ and test/ with classes, and no train folder"):
        listed(tmp_path)


def test_two_validation_folders_are_refused_rather_than_one_lost(tmp_path: Path) -> None:
    for number, name in enumerate(("train", "val", "valid")):
        write_photos(tmp_path / name, first=20 * number)
    refused(tmp_path, "has val/ and valid/, but only one validation folder is allowed")


def test_photos_and_folders_that_are_left_out_have_a_note(tmp_path: Path) -> None:
    write_photos(tmp_path / "train")
    assert notes_of(tmp_path) == []
    photos_in(tmp_path / "test")
    (tmp_path / "notes").mkdir()
    (tmp_path / "README.txt").write_text("no photo")
    (tmp_path / "train" / "jade" / "000.png").rename(tmp_path / "train" / "stray.PNG")
    for suffix in ("heic", "HEIF", "avif", "jxl", "mov"):
        (tmp_path / "train" / f"stray.{suffix}").write_bytes(b"of a phone")
    assert notes_of(tmp_path) == [
        f"{tmp_path}: left out, as no validation or test folder with classes in it: notes/ and test/",
        f"{tmp_path}: left out, as in no class folder: 4 photos, as {tmp_path}/train/stray.HEIF",
    ]


def test_links_to_folders_are_followed_once_and_in_no_circle(tmp_path: Path) -> None:
    data = write_photos(tmp_path / "data")
    far = photos_in(tmp_path / "far")
    jade = data / "jade"
    (jade / "more").symlink_to(far)
    (jade / "again").symlink_to(far)
    (jade / "deeper").mkdir()
    (jade / "deeper" / "up").symlink_to(jade)
    (jade / "itself").symlink_to(jade / "itself")
    (jade / "gone").symlink_to(tmp_path / "gone")
    (data / "itself").symlink_to(data / "itself")
    paths = [photo.relative for photo in listed(data).photos]
    assert len(paths) == 21
    assert [path for path in paths if path.count("/") > 1] == [f"jade/again/{number}.png" for number in (500, 501, 502)]
    assert [file.relative for file in find_files(str(data)).files] == paths


@pytest.fixture
def anyones() -> Iterator[Path]:
    """A folder that everybody may open, as pytest's own is not."""
    with TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Nobody may open the folder, not even who runs this."""
    folder.chmod(0)
    try:
        with nobody():
            yield
    finally:
        folder.chmod(0o755)


@pytest.mark.parametrize("name", ["data/jade", "data/jade/deeper", "data"])
def test_what_may_not_be_opened_is_named_and_not_passed_over(anyones: Path, name: str) -> None:
    data = write_photos(anyones / "data")
    photos_in(data / "jade" / "deeper")
    with locked(anyones / name):
        refused(data, f"^{anyones / name} may not be opened. Give yourself the right")


def test_a_split_or_a_table_whose_photos_may_not_be_looked_at_is_refused_with_one_of_them(anyones: Path) -> None:
    data = write_photos(anyones / "data")
    write_split(listed(data), anyones / "split.csv")
    assert len(read_split(anyones / "split.csv", str(data)).photos) == 18
    (anyones / "all.csv").write_text("path,label\ndata/slate/000.png,slate\ndata/jade/000.png,jade\n")
    with locked(data / "jade"):
        with pytest.raises(WrongInput, match=f"^{data / 'jade'}.* may not be opened"):
            read_split(anyones / "split.csv", str(data))
        with pytest.raises(
            WrongInput, match=r"all\.csv, line 3: .*jade/000.png cannot be opened \(Permission denied\)"
        ):
            listed(anyones / "all.csv")


def test_a_path_that_no_system_knows_is_refused_in_a_sentence(tmp_path: Path) -> None:
    refused(tmp_path / ("x" * 300), r"cannot be looked at \(File name too long\)")


def test_a_class_with_hidden_files_only_has_no_photos(tmp_path: Path) -> None:
    data = write_photos(tmp_path / "data")
    (data / "mauve").mkdir()
    (data / "mauve" / "._000.png").write_bytes(b"x")
    with pytest.raises(WrongInput, match="'mauve' has no readable photo"):
        listed(data)


def test_files_that_differ_only_in_how_unicode_writes_a_letter_are_two_photos(tmp_path: Path) -> None:
    data = write_photos(tmp_path / "data")
    (data / "jade" / "000.png").rename(data / "jade" / "caf\xe9.png")
    (data / "jade" / "001.png").rename(data / "jade" / "cafe\u0301.png")
    listing = listed(data)
    assert len({photo.relative for photo in listing.photos}) == 18
    write_split(listing, tmp_path / "split.csv")
    assert read_split(tmp_path / "split.csv", str(data)) == listing


@pytest.mark.parametrize("splits", [True, False])
def test_classes_that_differ_only_in_how_unicode_writes_a_letter_are_refused(tmp_path: Path, splits: bool) -> None:
    composed, taken_apart = "caf\xe9", "cafe\u0301"
    if splits:
        for split, name, first in (("train", composed, 0), ("val", taken_apart, 50)):
            write_photos(tmp_path / split, first=first)
            (tmp_path / split / "jade").rename(tmp_path / split / name)
    else:
        write_photos(tmp_path)
        (tmp_path / "jade").rename(tmp_path / composed)
        (tmp_path / "slate").rename(tmp_path / taken_apart)
    with pytest.raises(WrongInput, match=r"two classes that read alike, .*caf.*xe9.* the same letters in other bytes"):
        listed(tmp_path)


def test_lists_that_a_spreadsheet_saved_anew_are_read(tmp_path: Path) -> None:
    data = write_photos(tmp_path / "data")
    (tmp_path / "mine.csv").write_text("issue;path\r\ncorrupt;jade/000.png\r\n", encoding="utf-8-sig", newline="")
    listing = listed(data, exclude=tmp_path / "mine.csv")
    assert len(listing.photos) == 17
    write_split(listing, tmp_path / "split.csv")
    lines = (tmp_path / "split.csv").read_text().replace(",", ";")
    (tmp_path / "split.csv").write_text(lines, encoding="utf-8-sig")
    assert read_split(tmp_path / "split.csv", str(data)) == listing
    assert len(find_files(str(data), tmp_path / "split.csv").files) == 17


CAPITALS = [("Train", "Val", "Test"), ("TRAIN", "VALID", "TEST"), ("train", "Validation", "Test")]
SYNONYMS = [("Training", "validation", "Testing"), ("training", "valid", "testing"), ("train", "val_images", "testing")]
ENDINGS = [
    ("train_set", "val_set", "test_set"),
    ("trainset", "valset", "testset"),
    ("train2017", "val2017", "test2017"),
]
PREFIXES = [("seg_train", "seg_val", "seg_test"), ("ILSVRC2012_img_train", "ILSVRC2012_img_val", "ILSVRC2012_img_test")]


@pytest.mark.parametrize("names", [*CAPITALS, *SYNONYMS, *ENDINGS, *PREFIXES])
@pytest.mark.parametrize("wrapped", [False, True])
def test_folders_that_read_like_splits_are_splits_and_no_classes(
    tmp_path: Path, names: tuple[str, str, str], wrapped: bool
) -> None:
    for number, name in enumerate(names):
        write_photos(tmp_path / name / name if wrapped else tmp_path / name, per_class=3, first=20 * number)
    (tmp_path / "notes").mkdir()
    listing, audited = listed(tmp_path), find_files(str(tmp_path))
    assert listing.classes == audited.classes == ("amber", "jade", "slate")
    splits = {photo.relative.partition("/")[0]: photo.split for photo in listing.photos}
    assert splits == dict(zip(names, ("train", "validation", "test"), strict=True))
    assert {file.split for file in audited.files} == {"train", "validation", "test"}
    assert notes_of(tmp_path) == [f"{tmp_path}: left out, as no validation or test folder with classes in it: notes/"]


@pytest.mark.parametrize(
    "names", [("Train", "Test"), ("TRAIN", "VAL"), ("Training", "Testing"), ("train_set", "test_set")]
)
def test_two_splits_alone_are_no_two_classes(tmp_path: Path, names: tuple[str, str]) -> None:
    for number, name in enumerate(names):
        write_photos(tmp_path / name, first=20 * number)
    assert listed(tmp_path).classes == ("amber", "jade", "slate")
    (tmp_path / names[1] / "jade").rename(tmp_path / names[1] / "mauve")
    with pytest.raises(WrongInput, match=f"{names[1]}/mauve has no class of that name in .*{names[0]}"):
        listed(tmp_path)


@pytest.mark.parametrize(
    "names",
    [
        ("steam_train", "bullet_train"),
        ("Training", "Running"),
        ("crash-test", "train"),
        ("validation of forms", "ops"),
        ("invalid", "valid"),
    ],
)
def test_classes_whose_names_only_sound_like_splits_stay_classes(tmp_path: Path, names: tuple[str, str]) -> None:
    for number, name in enumerate(names):
        photos_in(tmp_path / name, first=500 + 10 * number)
    assert listed(tmp_path).classes == tuple(sorted(names))
    for name in names:
        if name not in ("train", "valid"):
            photos_in(tmp_path / name / "day", first=600 + len(name))
    assert listed(tmp_path).classes == tuple(sorted(names))


@pytest.mark.parametrize("names", [("train", "Training"), ("Train", "train"), ("train", "TEST", "testing")])
def test_two_folders_of_one_split_are_refused_rather_than_one_lost(tmp_path: Path, names: tuple[str, ...]) -> None:
    for number, name in enumerate(names):
        write_photos(tmp_path / name, first=20 * number)
    refused(tmp_path, r"has \w+/ and \w+/, but only one (train|test) folder is allowed")


def test_a_folder_with_the_classes_and_no_name_of_a_split_is_left_out_as_what_it_is(tmp_path: Path) -> None:
    for number, name in enumerate(("train", "eval", "extra")):
        write_photos(tmp_path / name, first=20 * number)
    (tmp_path / "docs").mkdir()
    assert notes_of(tmp_path) == [
        f"{tmp_path}: left out, as no validation or test folder with classes in it: docs/",
        f"{tmp_path}: left out, though it has folders of the classes' names: eval/ and extra/; to use one, call it"
        " validation or test",
    ]


def test_classes_that_hold_nothing_but_the_same_folders_get_a_note(tmp_path: Path) -> None:
    for number, name in enumerate(("2023", "2024")):
        write_photos(tmp_path / name, first=20 * number)
    [note] = notes_of(tmp_path)
    assert note.startswith(
        f"{tmp_path}: each of the classes 2023/ and 2024/ has no photos of its own, and the folders amber/"
    )
    assert note.endswith("put their photos together, or name the outer folders train, validation and test")
    photos_in(tmp_path / "2024" / "night", first=700)
    assert notes_of(tmp_path) == []
