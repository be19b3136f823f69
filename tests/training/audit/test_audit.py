"""What an audit finds in a drawn data set into which flaws were planted, and that it finds nothing without them."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest
from PIL import Image, ImageFilter, ImageOps

from tests.training.audit.conftest import LABELS
from tests.training.data.making import config_of
from training.audit.audit import audit
from training.audit.folder import write_audit
from training.audit.records import AuditReport
from training.data.listing import list_photos, write_split
from training.errors import WrongInput

pytestmark = pytest.mark.torch

FIRST = "train/baseball/000.jpg"


def report_of(data: Path, split: Path | None = None) -> AuditReport:
    return audit(str(data), split=split, threads=1).report


def test_clean_data_has_no_duplicate_no_leak_and_nothing_corrupt(drawn: Path) -> None:
    report = report_of(drawn)
    assert report.images == 33
    assert report.counts() == dict.fromkeys(report.counts(), 0)
    assert [(one.label, one.of) for one in report.classes] == [
        (label, {"train": 8, "validation": 3}) for label in LABELS
    ]
    assert report.imbalance == 1.0


def test_the_same_bytes_in_two_splits_are_a_leak_and_the_training_file_is_the_one_to_leave_out(data: Path) -> None:
    shutil.copy(data / FIRST, data / "validation/baseball/copy.jpg")
    (pair,) = report_of(data).leaks
    assert (pair.drop, pair.keep) == (FIRST, "validation/baseball/copy.jpg")
    assert pair.same_bytes
    assert not pair.conflicts


@pytest.mark.parametrize("change", ["recompressed", "smaller", "mirrored", "retouched"])
def test_the_same_picture_saved_anew_is_a_near_leak(data: Path, change: str) -> None:
    picture = Image.open(data / FIRST)
    changed = {
        "recompressed": picture,
        "smaller": picture.resize((50, 50), Image.Resampling.BICUBIC),
        "mirrored": ImageOps.mirror(picture),
        "retouched": picture.filter(ImageFilter.SHARPEN),
    }[change]
    changed.save(data / "validation/baseball/again.jpg", quality=60)
    (pair,) = report_of(data).pairs
    assert {pair.keep, pair.drop} == {FIRST, "validation/baseball/again.jpg"}
    assert pair.leaks
    assert not pair.same_bytes
    assert pair.mirrored == (change == "mirrored")


def test_one_picture_under_two_labels_is_a_conflict_and_both_files_are_listed(data: Path, tmp_path: Path) -> None:
    shutil.copy(data / FIRST, data / "train/basketball/other.jpg")
    found = audit(str(data), threads=1)
    write_audit(found, tmp_path / "audit")
    assert found.report.counts()["conflict"] == 1
    assert found.report.counts()["leak"] == 0
    with (tmp_path / "audit/issues.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["issue"] == "conflict"]
    assert {(row["path"], row["suggested"]) for row in rows} == {
        (FIRST, "basketball"),
        ("train/basketball/other.jpg", "baseball"),
    }


def test_leaving_out_what_the_pairs_say_leaves_no_picture_twice(data: Path) -> None:
    for number in range(4):
        shutil.copy(data / FIRST, data / f"train/baseball/copy{number}.jpg")
    Image.open(data / FIRST).resize((60, 60)).save(data / "validation/baseball/small.png")
    shutil.copy(data / "train/golf ball/001.jpg", data / "validation/golf ball/leak.jpg")
    before = report_of(data)
    assert [len(group) for group in before.groups] == [6, 2]
    for pair in before.pairs:
        (data / pair.drop).unlink()
    assert report_of(data).pairs == ()


def test_every_picture_that_is_there_more_than_once_is_in_groups_csv(data: Path, tmp_path: Path) -> None:
    shutil.copy(data / FIRST, data / "validation/baseball/copy.jpg")
    Image.open(data / "train/golf ball/001.jpg").resize((60, 60)).save(data / "train/golf ball/small.png")
    write_audit(audit(str(data), threads=1), tmp_path / "audit")
    with (tmp_path / "audit/groups.csv").open(newline="") as file:
        rows = [(row["path"], row["group"]) for row in csv.DictReader(file)]
    assert set(rows) == {
        ("train/golf ball/001.jpg", "1"),
        ("train/golf ball/small.png", "1"),
        (FIRST, "2"),
        ("validation/baseball/copy.jpg", "2"),
    }
    assert len(rows) == 4


def test_clean_data_has_no_groups(drawn: Path, tmp_path: Path) -> None:
    write_audit(audit(str(drawn), threads=1), tmp_path / "audit")
    assert (tmp_path / "audit/groups.csv").read_text() == "path,group\n"


def test_a_split_that_is_drawn_with_the_groups_has_no_leak_by_the_same_audit(data: Path, tmp_path: Path) -> None:
    photos = data / "train"
    for label in LABELS:
        for number in range(6):
            picture = Image.open(photos / label / f"{number:03d}.jpg")
            picture.resize((60, 60)).save(photos / label / f"again{number}.jpg", quality=70)
    write_audit(audit(str(photos), threads=1), tmp_path / "audit")
    leaks = {}
    for groups in (None, tmp_path / "audit/groups.csv"):
        listing = list_photos(config_of(photos, groups=groups, test_share=0.2, validation_share=0.3))
        write_split(listing, tmp_path / "split.csv")
        leaks[groups is not None] = report_of(photos, tmp_path / "split.csv").counts()["leak"]
        assert {photo.split for photo in listing.photos} == {"train", "validation", "test"}
    assert leaks[False] > 0
    assert leaks[True] == 0


def test_an_exclude_list_may_be_the_issues_as_they_are(data: Path, tmp_path: Path) -> None:
    shutil.copy(data / FIRST, data / "validation/baseball/copy.jpg")
    (data / "train/baseball/cut.jpg").write_bytes(b"?")
    write_audit(audit(str(data), threads=1), tmp_path / "audit")
    listing = list_photos(config_of(data, exclude=tmp_path / "audit/issues.csv"))
    assert len(listing.photos) == 35 - 2
    assert not {FIRST, "train/baseball/cut.jpg"} & {photo.relative for photo in listing.photos}


def test_a_file_that_is_no_picture_is_listed_with_its_reason_and_stops_nothing(data: Path) -> None:
    whole = (data / FIRST).read_bytes()
    (data / "train/baseball/cut.jpg").write_bytes(whole[: len(whole) // 3])
    (data / "train/baseball/empty.jpg").write_bytes(b"")
    (data / "train/golf ball/notes.txt").write_text("not a picture")
    report = report_of(data)
    assert [(file.path, file.code) for file in report.unreadable] == [
        ("train/baseball/cut.jpg", "unreadable"),
        ("train/baseball/empty.jpg", "unreadable"),
        ("train/golf ball/notes.txt", "unsupported_format"),
    ]
    assert all(file.reason.endswith(".") for file in report.unreadable)
    assert report.images == 36


def test_how_files_are_stored_is_counted(data: Path) -> None:
    picture = Image.open(data / FIRST)
    picture.convert("CMYK").save(data / "train/baseball/cmyk.jpg")
    picture.convert("L").save(data / "train/baseball/grey.jpg")
    picture.convert("L").convert("RGB").save(data / "train/baseball/grey-in-colour.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.save(data / "train/baseball/turned.jpg", exif=exif)
    formats = report_of(data).formats
    assert formats.modes == {"RGB": 35, "CMYK": 1, "L": 1}
    assert formats.formats == {"JPEG": 36, "PNG": 1}
    assert (formats.colourless, formats.turned) == (1, 1)


def test_odd_pictures_are_outliers_of_their_kind(data: Path) -> None:
    folder = data / "train/baseball"
    picture = Image.open(data / FIRST)
    picture.resize((12, 12)).save(folder / "tiny.png")
    picture.resize((400, 72)).save(folder / "panorama.png")
    Image.new("RGB", (72, 72), (200, 40, 40)).save(folder / "red.png")
    picture.point(lambda level: level // 8).save(folder / "night.png")
    picture.point(lambda level: 225 + level // 9).save(folder / "snow.png")
    picture.resize((256, 256)).filter(ImageFilter.GaussianBlur(9)).save(folder / "blurred.png")
    kinds = {(Path(outlier.path).name, outlier.kind) for outlier in report_of(data).outliers}
    assert {
        ("tiny.png", "small"), ("panorama.png", "wide"), ("red.png", "one_colour"), ("night.png", "dark"),
        ("snow.png", "bright"), ("blurred.png", "blurred"),
    } <= kinds  # fmt: skip


def test_a_folder_without_splits_has_duplicates_but_no_leaks(data: Path) -> None:
    shutil.copy(data / FIRST, data / "train/baseball/copy.jpg")
    report = report_of(data / "train")
    assert report.split == "none yet"
    assert report.classes[0].of == {"all": 9}
    assert report.counts()["duplicate"] == 1
    assert report.counts()["leak"] == 0


def test_a_single_class_and_a_class_without_photos_are_reported_not_refused(data: Path) -> None:
    shutil.rmtree(data / "train/basketball")
    shutil.rmtree(data / "validation/basketball")
    shutil.rmtree(data / "train/golf ball")
    (data / "train/golf ball").mkdir()
    report = report_of(data)
    assert [(one.label, one.of["train"]) for one in report.classes] == [("baseball", 8), ("golf ball", 0)]
    assert report.imbalance is None
    assert report_of(data / "validation").images == 6


def test_a_folder_without_photos_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(WrongInput, match="names no photo"):
        audit(str(tmp_path))
    with pytest.raises(WrongInput, match="is no folder"):
        audit(str(tmp_path / "nowhere"))


def test_the_split_of_a_run_says_which_file_is_in_which_split_and_which_is_gone_or_changed(
    data: Path, tmp_path: Path
) -> None:
    from hashlib import sha256

    shutil.copy(data / FIRST, data / "train/baseball/copy.jpg")
    lines = ["split,label,path,sha256"]
    for name, split in (("000", "train"), ("copy", "test"), ("001", "train"), ("002", "train"), ("003", "validation")):
        path = f"train/baseball/{name}.jpg"
        lines.append(f"{split},baseball,{path},{sha256((data / path).read_bytes()).hexdigest()}")
    split_csv = tmp_path / "split.csv"
    split_csv.write_text("\n".join(lines) + "\n")
    (data / "train/baseball/001.jpg").unlink()
    shutil.copy(data / "train/golf ball/000.jpg", data / "train/baseball/002.jpg")
    report = report_of(data, split_csv)
    assert [(file.path[-7:], file.code) for file in report.unreadable] == [
        ("001.jpg", "missing"),
        ("002.jpg", "changed"),
    ]
    assert [(pair.keep[-8:], pair.drop) for pair in report.leaks] == [("copy.jpg", FIRST)]
    with pytest.raises(WrongInput, match="is no split of a run"):
        report_of(data, data / FIRST)


def test_a_manifest_is_audited_with_the_splits_that_it_says(data: Path) -> None:
    shutil.copy(data / FIRST, data / "copy.jpg")
    (data / "photos.csv").write_text(f"path,label,split\n{FIRST},ball,train\ncopy.jpg,ball,test\ngone.jpg,ball,test\n")
    report = report_of(data / "photos.csv")
    assert (report.counts()["leak"], [file.code for file in report.unreadable]) == (1, ["missing"])


def test_a_name_that_is_no_text_can_be_written(data: Path, tmp_path: Path) -> None:
    (data / "train/baseball" / "b\udcff.jpg").write_bytes(b"?")
    write_audit(audit(str(data), threads=1), tmp_path / "audit")
    again = AuditReport.model_validate_json((tmp_path / "audit/audit.json").read_bytes())
    assert [file.path for file in again.unreadable] == ["train/baseball/b\\xff.jpg"]


def test_without_pretrained_weights_labels_are_skipped_with_a_way_to_check_them(drawn: Path) -> None:
    labels = report_of(drawn).labels
    assert labels.skipped is not None
    assert "--pretrained" in labels.skipped
    assert labels.suspects == ()


def test_a_class_whose_name_is_no_text_is_counted(data: Path, tmp_path: Path) -> None:
    for split in ("train", "validation"):
        (data / split / "baseball").rename(data / split / "b\udcff")
    write_audit(audit(str(data), threads=1, command="podium audit b\udcff"), tmp_path / "audit")
    again = AuditReport.model_validate_json((tmp_path / "audit/audit.json").read_bytes())
    assert ("b\\xff", 11) in [(one.label, one.images) for one in again.classes]
