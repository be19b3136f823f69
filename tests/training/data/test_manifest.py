"""A manifest that names every photo: CSV or JSONL."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.training.conftest import write_photos
from tests.training.data.making import config_of
from training.data.listing import list_photos, read_split, write_split
from training.errors import WrongInput


def rows_of(folder: Path) -> list[tuple[str, str]]:
    return [(path.relative_to(folder).as_posix(), path.parent.name) for path in sorted(folder.rglob("*.png"))]


def test_a_csv_manifest_lists_what_the_folders_would(tmp_path: Path) -> None:
    write_photos(tmp_path / "photos")
    lines = [f"{label},photos/{path},ignored" for path, label in rows_of(tmp_path / "photos")]
    (tmp_path / "all.csv").write_text("\n".join(["label,path,remark", *lines]), encoding="utf-8-sig")
    listing = list_photos(config_of(tmp_path / "all.csv"))
    folders = list_photos(config_of(tmp_path / "photos"))
    assert listing.classes == folders.classes
    assert [(photo.sha256, photo.split) for photo in listing.photos] == [
        (photo.sha256, photo.split) for photo in folders.photos
    ]
    write_split(listing, tmp_path / "split.csv")
    assert read_split(tmp_path / "split.csv", str(tmp_path / "all.csv")) == listing


def test_a_jsonl_manifest_may_say_who_tests_and_leave_the_rest_to_be_divided(tmp_path: Path) -> None:
    write_photos(tmp_path)
    lines = [
        json.dumps({"path": path, "label": label} | ({"split": "test"} if path.endswith("005.png") else {}))
        for path, label in rows_of(tmp_path)
    ]
    (tmp_path / "all.jsonl").write_text("\n\n".join(lines))
    listing = list_photos(config_of(tmp_path / "all.jsonl", test_share=0.5))
    assert {photo.relative for photo in listing.of("test")} == {f"{label}/005.png" for label in listing.classes}
    assert len(listing.of("validation")) == 3


def test_a_manifest_that_says_who_validates_is_followed(tmp_path: Path) -> None:
    write_photos(tmp_path)
    rows = [f"{path},{label},{'val' if path.endswith('000.png') else 'train'}" for path, label in rows_of(tmp_path)]
    (tmp_path / "all.csv").write_text("\n".join(["path,label,split", *rows]))
    listing = list_photos(config_of(tmp_path / "all.csv"))
    assert {photo.relative[-7:] for photo in listing.of("validation")} == {"000.png"}
    with pytest.raises(WrongInput, match="folds = 2, but the data has its own 3 validation photos"):
        list_photos(config_of(tmp_path / "all.csv", folds=2))


def test_a_pipe_is_told_from_a_file_that_is_missing_and_nobody_waits_for_it(tmp_path: Path) -> None:
    write_photos(tmp_path)
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "all.csv").write_text("path,label\njade/000.png,jade\npipe.png,slate\n")
    with pytest.raises(
        WrongInput, match=r"line 3: .*pipe\.png is no photo: it is a pipe, a socket or a device, and no file"
    ):
        list_photos(config_of(tmp_path / "all.csv"))
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(WrongInput, match=r"pipe\.csv cannot be read: it is a pipe, .*\. Save it as a file\."):
        list_photos(config_of(tmp_path / "pipe.csv"))


@pytest.mark.parametrize(("train", "test"), [("TRAIN", "TEST"), ("Training", "testing"), ("train_set", "test_set")])
def test_a_manifest_may_write_its_splits_as_folders_are_called(tmp_path: Path, train: str, test: str) -> None:
    write_photos(tmp_path)
    rows = [f"{path},{label},{test if path.endswith('000.png') else train}" for path, label in rows_of(tmp_path)]
    (tmp_path / "all.csv").write_text("\n".join(["path,label,split", *rows]))
    assert {photo.relative[-7:] for photo in list_photos(config_of(tmp_path / "all.csv")).of("test")} == {"000.png"}


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("a.csv", "path,class\n", "a.csv, line 1: the header lacks label"),
        ("a.csv", "path,label\njade/000.png,jade\njade/009.png,jade\n", r"line 3: there is no file .*009\.png"),
        ("a.csv", "path,label\njade/000.png,\n", "line 2: label is empty"),
        ("a.csv", "path,label,split\njade/000.png,jade,dev\n", "line 2: split is 'dev'"),
        ("a.csv", "path,label\njade/000.png,jade\n./jade/000.png,slate\n", "line 3: .* is listed already, in line 2"),
        ("a.csv", "path,label\njade/000.png,jade\n", "only one class, 'jade'"),
        ("a.csv", "path,label\n\0,jade\n", r"line 2: path is '.x00': NUL bytes are no text"),
        ("a.csv", "path,label\n", "names no photo"),
        ("a.csv", "path,label,label\njade/000.png,jade,slate\n", "its header names the column 'label' twice"),
        ("a.csv", "path,path,label\njade/000.png,x,jade\n", "its header names the column 'path' twice"),
        ("a.csv", "path," + "x" * 1_000_000, "its first line has more than 1,000,000 characters"),
        ("a.csv", "path,label\njade/000.png,ja\0de\n", r"line 2: label is 'ja.x00de': NUL bytes .* as UTF-8"),
        ("a.csv", "path,label\njade/000\0.png,jade\n", r"line 2: path is 'jade/000.x00.png': NUL bytes"),
        ("a.jsonl", "[" * 100_000, r"line 1: this is no JSON \(its lists and objects lie too deep in each other\)"),
        (
            "a.jsonl",
            '{"path": "jade/000.png", "label": "jade", "label": "slate"}',
            "line 1: 'label' is there twice. Keep one",
        ),
        ("a.jsonl", '{"path": "x", "label": "jade", "path": "jade/000.png"}', "line 1: 'path' is there twice"),
        (
            "a.jsonl",
            '{"path": "jade/000.png", "label": "jade", "more": {"a": 1, "a": 1}}',
            "line 1: 'a' is there twice",
        ),
        (
            "a.jsonl",
            '{"path": "jade/000.png", "label": ' + "9" * 5000 + "}",
            "line 1: a number of 5,000 digits is no path",
        ),
        ("a.csv", "Path;Label\n", "line 1: the header lacks label and path, and is 'Path,Label'"),
        ("a.csv", "path,label\n" + "x" * 300 + ",jade\n", r"line 2: .* cannot be opened \(File name too long\)"),
        (
            "a.csv",
            '"' + "x" * 200_000,
            "line 1: after this line it is no CSV: a cell has more than 131,072 characters. Look for a",
        ),
        ("a.jsonl", '{"path": "jade/000.png", "label": "\\udcff"}', r"line 1: label is '.udcff', which is not UTF-8"),
        (
            "a.jsonl",
            '{"path": "\\ud83d.png", "label": "jade"}',
            r"line 1: path is '.ud83d.png', which no file is called",
        ),
        ("a.csv", "path,label\njade/000.png,é\nslate/000.png,e\u0301\n", "two classes that read alike"),
        ("a.jsonl", '{"path": "jade/000.png", "label": "jade"}\n{"path"', "line 2: this is no JSON"),
        ("a.jsonl", '["jade/000.png"]', "line 1: this is no object"),
        ("a.jsonl", '{"path": "jade/000.png", "label": ["jade"]}', r"line 1: label is \['jade'\], and should be text"),
        ("a.jsonl", '{"label": "jade"}', "line 1: path is empty"),
    ],
)
def test_a_wrong_line_is_named_with_its_number(tmp_path: Path, name: str, text: str, sentence: str) -> None:
    write_photos(tmp_path, per_class=1)
    (tmp_path / name).write_text(text)
    with pytest.raises(WrongInput, match=sentence):
        list_photos(config_of(tmp_path / name))


def test_a_manifest_that_is_no_text_or_not_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"path,label\n\xff\xfe\n")
    with pytest.raises(WrongInput, match=r"cannot be read \(it is no text in UTF-8\). Save it anew, as text in UTF-8."):
        list_photos(config_of(tmp_path / "a.csv"))
    for name in ("b.csv", "b.jsonl"):
        with pytest.raises(WrongInput, match=rf"^{tmp_path / name}: there is no such file or folder. Check the name.$"):
            list_photos(config_of(tmp_path / name))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("mark", [",", ";", "\t", ", "])
def test_a_table_as_spreadsheets_save_it_is_read(tmp_path: Path, mark: str, encoding: str) -> None:
    write_photos(tmp_path)
    lines = ["path" + mark + "label", *(f"{path}{mark}{label}" for path, label in rows_of(tmp_path))]
    (tmp_path / "all.csv").write_text("\r\n".join(lines), encoding=encoding, newline="")
    listing = list_photos(config_of(tmp_path / "all.csv"))
    assert (listing.classes, len(listing.photos)) == (("amber", "jade", "slate"), 18)


def test_paths_may_have_backslashes_and_a_file_that_is_called_so_is_found_first(tmp_path: Path) -> None:
    write_photos(tmp_path)
    (tmp_path / "jade" / "000.png").rename(tmp_path / "jade" / "a\\b.png")
    rows = [f"{path},{label}" for path, label in rows_of(tmp_path)]
    rows = [row if "a\\b" in row else row.replace("/", "\\") for row in rows]
    (tmp_path / "all.csv").write_text("\n".join(["path,label", *rows]))
    listing = list_photos(config_of(tmp_path / "all.csv"))
    assert [photo.relative for photo in listing.photos] == [path for path, _ in rows_of(tmp_path)]
    (tmp_path / "twice.csv").write_text("path,label\nslate/000.png,slate\nslate\\000.png,slate\n")
    with pytest.raises(WrongInput, match=r"line 3: slate/000\.png is listed already, in line 2"):
        list_photos(config_of(tmp_path / "twice.csv"))


@pytest.mark.parametrize(("named", "there"), [("\xe9", "e\u0301"), ("e\u0301", "\xe9")])
def test_a_name_in_the_other_spelling_of_unicode_is_the_file_that_is_there(
    tmp_path: Path, named: str, there: str
) -> None:
    write_photos(tmp_path)
    (tmp_path / "jade" / "000.png").rename(tmp_path / "jade" / f"{there}.png")
    lines = ["path,label", *(f"{path.replace(there, named)},{label}" for path, label in rows_of(tmp_path))]
    (tmp_path / "all.csv").write_text("\n".join(lines), encoding="utf-8")
    listing = list_photos(config_of(tmp_path / "all.csv"))
    assert all(photo.path.is_file() for photo in listing.photos)
    write_split(listing, tmp_path / "split.csv")
    assert read_split(tmp_path / "split.csv", str(tmp_path / "all.csv")) == listing
