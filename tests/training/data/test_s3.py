"""Photos in a bucket; S3 is moto's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.training.conftest import write_photos
from tests.training.data.making import CLUTTERED, config_of
from training.data.listing import list_photos
from training.data.records import Counted
from training.data.sources import find_data
from training.errors import TrainingError, WrongInput

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def put_folder(client: S3Client, folder: Path, prefix: str) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            client.put_object(
                Bucket="photos", Key=f"{prefix}{path.relative_to(folder).as_posix()}", Body=path.read_bytes()
            )


def fetched(address: str, folder: Path) -> tuple[Path, int]:
    """The local folder of the data, and how many objects were downloaded for it."""
    seen: list[Counted] = []
    place = find_data(address, on_count=seen.append, fetched=folder)
    assert all(now.step == "downloading" for now in seen)
    return place, len(seen)


def test_a_prefix_is_listed_as_the_same_folder_would_be(bucket: S3Client, tmp_path: Path) -> None:
    data = write_photos(tmp_path / "data")
    put_folder(bucket, data, "sets/balls/")
    there = list_photos(config_of("s3://photos/sets/balls"), fetched=tmp_path / "fetched")
    assert there.fingerprint == list_photos(config_of(data)).fingerprint
    assert there.photos[0].path.is_relative_to(tmp_path / "fetched")


def test_a_second_start_fetches_only_what_changed(bucket: S3Client, tmp_path: Path) -> None:
    data = write_photos(tmp_path / "data")
    put_folder(bucket, data, "balls/")
    place, first = fetched("s3://photos/balls/", tmp_path)
    assert (first, fetched("s3://photos/balls", tmp_path / "other")[1]) == (18, 18)
    assert fetched("s3://photos/balls/", tmp_path) == (place, 0)
    bucket.put_object(Bucket="photos", Key="balls/jade/000.png", Body=b"changed")
    bucket.put_object(Bucket="photos", Key="balls/jade/new.png", Body=b"new")
    for number in range(6):
        bucket.delete_object(Bucket="photos", Key=f"balls/slate/00{number}.png")
    (place / "amber" / "003.png").unlink()
    assert fetched("s3://photos/balls/", tmp_path)[1] == 3
    assert (place / "jade" / "000.png").read_bytes() == b"changed"
    assert not (place / "slate").exists()
    assert not list(place.rglob("*.part"))


def test_a_manifest_in_a_bucket_fetches_the_photos_that_it_names(bucket: S3Client, tmp_path: Path) -> None:
    data = write_photos(tmp_path / "data")
    rows = [f"{label}/00{number}.png,{label}" for label in ("amber", "jade") for number in range(3)]
    (data / "some.csv").write_text("\n".join(["path,label", *rows]))
    put_folder(bucket, data, "sets/")
    listing = list_photos(config_of("s3://photos/sets/some.csv"), fetched=tmp_path / "fetched")
    assert (listing.classes, len(listing.photos)) == (("amber", "jade"), 6)
    assert len(list((tmp_path / "fetched").rglob("*.png"))) == 6
    assert fetched("s3://photos/sets/some.csv", tmp_path / "fetched")[1] == 0


@pytest.mark.parametrize("path", ["../secret.png", "/etc/passwd", "jade/009.png"])
def test_a_manifest_in_a_bucket_cannot_lead_out_of_its_folder(bucket: S3Client, tmp_path: Path, path: str) -> None:
    bucket.put_object(Bucket="photos", Key="sets/a.csv", Body=f"path,label\n{path},jade\n".encode())
    bucket.put_object(Bucket="photos", Key="secret.png", Body=b"x")
    with pytest.raises(WrongInput, match=r"s3://photos/sets/a\.csv, line 2: there is no object"):
        fetched("s3://photos/sets/a.csv", tmp_path)


def test_odd_keys_stay_in_the_folder(bucket: S3Client, tmp_path: Path) -> None:
    kept = ["jade/a b+c&?.png", "jade/é\t\\..\\x.png", "slate/100%2E.png", "slate/x..png"]
    dropped = [
        "../out.png",
        "jade/../../out.png",
        "jade//two.png",
        "/abs.png",
        "jade/.hidden",
        "jade/",
        ".fetched.json",
        *CLUTTERED,
    ]
    for key in kept + dropped:
        bucket.put_object(Bucket="photos", Key=f"p/{key}", Body=b"x")
    place, count = fetched("s3://photos/p", tmp_path / "fetched")
    assert count == len(kept)
    found = {path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file()}
    assert found == {*kept, ".fetched.json"}
    assert [path.name for path in tmp_path.iterdir()] == ["fetched"]


def test_an_error_of_s3_is_a_sentence(bucket: S3Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WrongInput, match="s3://photos/empty holds nothing"):
        fetched("s3://photos/empty", tmp_path)
    with pytest.raises(WrongInput, match="there is no such bucket"):
        fetched("s3://nowhere/x", tmp_path)
    bucket.put_object(Bucket="photos", Key="p/a", Body=b"x")
    bucket.put_object(Bucket="photos", Key="p/a/b", Body=b"x")
    with pytest.raises(TrainingError, match="cannot be kept here"):
        fetched("s3://photos/p", tmp_path)
    with pytest.raises(TrainingError, match="s3:// names no bucket that S3 could have"):
        fetched("s3://", tmp_path)
