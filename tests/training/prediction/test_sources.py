"""Photos that a person names: what is there is found, what is not has a message, and the rest goes on."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.training.data.making import CLUTTERED
from training.errors import TrainingError, WrongInput
from training.prediction.sources import NotFetched, given_photos

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@pytest.fixture
def filled(bucket: S3Client) -> S3Client:
    for key in ("p/1", "p/10", "p/2", "q/"):
        bucket.put_object(Bucket="photos", Key=key, Body=key.encode())
    return bucket


def names_of(*words: str, lines: list[str] | None = None) -> list[str]:
    return [one.name for one in given_photos(words, lines)]


def test_a_line_that_names_no_object_is_a_row_among_the_others(filled: S3Client) -> None:
    lines = ["s3://photos/p/2\n", "s3://photos/nowhere\n", "s3://lost/p\n", "s3://photos/p/10\n"]
    found = list(given_photos(["-"], lines))
    assert [one.name for one in found] == [line.rstrip() for line in lines]
    assert (found[0].fetch(), found[3].fetch()) == (b"p/2", b"p/10")
    with pytest.raises(NotFetched, match="nothing under s3://photos/nowhere"):
        found[1].fetch()
    with pytest.raises(NotFetched, match="s3://lost/p cannot be listed"):
        found[2].fetch()


def test_an_object_of_this_very_key_wins_alone(filled: S3Client) -> None:
    assert names_of("s3://photos/p/1") == ["s3://photos/p/1"]
    assert names_of("s3://photos/p/") == ["s3://photos/p/1", "s3://photos/p/10", "s3://photos/p/2"]
    assert names_of("-", lines=["s3://photos/p/1\n"]) == ["s3://photos/p/1"]


def test_a_word_that_names_nothing_in_s3_is_refused_before_anything_is_predicted(filled: S3Client) -> None:
    for empty in ("s3://photos/nowhere", "s3://photos/q/"):
        with pytest.raises(WrongInput, match="There is nothing under"):
            given_photos(["s3://photos/p/", empty])
    with pytest.raises(TrainingError, match="cannot be listed"):
        given_photos(["s3://lost/"])
    for bucket in ("", "no bucket"):
        with pytest.raises(WrongInput, match="names no bucket that S3 could have"):
            given_photos([f"s3://{bucket}/p/"])


def test_a_name_with_a_zero_byte_is_a_row_among_the_others() -> None:
    (found,) = given_photos(["-"], ["a\0b.png"])
    with pytest.raises(NotFetched, match="cannot be opened"):
        found.fetch()


def test_hidden_folders_hold_no_photos_but_may_be_named(tmp_path: Path) -> None:
    hidden = tmp_path / ".hidden"
    for path in (tmp_path / "a.png", hidden / "b.png", tmp_path / "c" / ".thumbnails" / "d.png"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert names_of(str(tmp_path)) == [str(tmp_path / "a.png")]
    assert names_of(str(hidden)) == [str(hidden / "b.png")]


@pytest.mark.parametrize("place", CLUTTERED)
def test_what_systems_leave_among_photos_is_predicted_only_if_it_is_named(
    bucket: S3Client, tmp_path: Path, place: str
) -> None:
    for name in ("a.png", place):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
        bucket.put_object(Bucket="photos", Key=f"p/{name}", Body=b"x")
    assert names_of(str(tmp_path)) == [str(tmp_path / "a.png")]
    assert names_of(str(tmp_path / place)) == [str(tmp_path / place)]
    for prefix in ("p/", "p"):
        assert names_of(f"s3://photos/{prefix}") == ["s3://photos/p/a.png"]
    assert names_of(f"s3://photos/p/{place}") == [f"s3://photos/p/{place}"]


def test_a_prefix_may_end_before_the_suffix_of_a_name(bucket: S3Client) -> None:
    bucket.put_object(Bucket="photos", Key="p/a.png", Body=b"x")
    assert names_of("s3://photos/p/a") == ["s3://photos/p/a.png"]


def test_a_name_on_standard_input_need_not_be_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "b\udcff.png"
    path.write_bytes(b"photo")
    listed = io.BytesIO(str(path).encode("utf-8", "surrogateescape") + b"\n")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(listed, encoding="utf-8"))
    (found,) = given_photos(["-"])
    assert (found.name, found.fetch()) == (str(path), b"photo")
