"""A batch from a person's side: what is uploaded, and when it is finished."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podium import batches
from podium.connection import Connection
from podium.errors import EXIT_USAGE, ConsoleError
from tests.podium.conftest import INPUT, put_row


def folder_of(tmp_path: Path, *names: str) -> Path:
    for name in names:
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return tmp_path / "photos"


def test_a_folder_keeps_its_inner_structure_and_its_hidden_files_stay(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "a/été & 100%.jpg", "b.jpg", ".DS_Store", ".git/config")
    keys = [upload.key for upload in batches.plan_uploads([folder], "monday")]
    assert keys == ["incoming/monday/a/été & 100%.jpg", "incoming/monday/b.jpg"]


def test_a_single_file_becomes_its_own_name(tmp_path: Path) -> None:
    file = folder_of(tmp_path, "b.jpg") / "b.jpg"
    assert [upload.key for upload in batches.plan_uploads([file], "monday")] == ["incoming/monday/b.jpg"]


@pytest.mark.parametrize("name", ["", "a/b", ".", ".."])
def test_a_name_that_cannot_be_a_batch_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConsoleError, match="cannot name a batch") as refused:
        batches.plan_uploads([tmp_path], name)
    assert refused.value.exit_code == EXIT_USAGE


def test_a_path_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConsoleError, match=r"nowhere does not exist"):
        batches.plan_uploads([tmp_path / "nowhere"], "monday")


def test_two_files_for_one_key_are_refused_before_anything_is_uploaded(tmp_path: Path) -> None:
    one = folder_of(tmp_path / "1", "b.jpg")
    two = folder_of(tmp_path / "2", "b.jpg")
    with pytest.raises(ConsoleError, match=r"would both become incoming/monday/b\.jpg"):
        batches.plan_uploads([one, two], "monday")


def test_an_empty_folder_is_no_batch(tmp_path: Path) -> None:
    with pytest.raises(ConsoleError, match="no file to upload"):
        batches.plan_uploads([tmp_path], "monday")


def test_every_file_is_uploaded_with_its_kind_and_told(connection: Connection, tmp_path: Path) -> None:
    uploads = batches.plan_uploads([folder_of(tmp_path, "a.jpg", "b.png", "c")], "monday")
    told: list[int] = []
    batches.upload(connection, uploads, told.append)
    assert told == [1, 2, 3]
    kinds = {it.key: connection.s3.head_object(Bucket=INPUT, Key=it.key)["ContentType"] for it in uploads}
    assert sorted(kinds.values()) == ["application/octet-stream", "image/jpeg", "image/png"]


def test_a_file_that_vanishes_is_named(connection: Connection, tmp_path: Path) -> None:
    uploads = batches.plan_uploads([folder_of(tmp_path, "a.jpg")], "monday")
    uploads[0].path.unlink()
    with pytest.raises(ConsoleError, match=r"a\.jpg was not uploaded"):
        batches.upload(connection, uploads, lambda _: None)


def drop(connection: Connection, key: str) -> str:
    return connection.s3.put_object(Bucket=INPUT, Key=key, Body=b"x")["VersionId"]


def test_a_batch_is_finished_when_every_image_has_a_verdict(connection: Connection) -> None:
    for number in range(3):
        version = drop(connection, f"incoming/monday/{number}.jpg")
        label = "baseball" if number else None
        put_row(connection, f"incoming/monday/{number}.jpg", label=label, version_id=version)
    (last,) = batches.watch(connection, "monday", timeout_s=None)
    assert (last.total, last.classified, last.rejected, last.waiting) == (3, 2, 1, 0)


def test_an_overwritten_image_waits_until_its_new_version_has_a_verdict(connection: Connection) -> None:
    old = drop(connection, "incoming/monday/a.jpg")
    put_row(connection, "incoming/monday/a.jpg", version_id=old)
    drop(connection, "incoming/monday/a.jpg")
    *_, last = batches.watch(connection, "monday", timeout_s=0.5)
    assert last.waiting == 1


def test_a_batch_whose_name_begins_alike_is_another_batch(connection: Connection) -> None:
    drop(connection, "incoming/monday/a.jpg")
    drop(connection, "incoming/monday-2/a.jpg")
    assert list(batches.latest_versions(connection, "monday")) == [f"s3://{INPUT}/incoming/monday/a.jpg"]


def test_an_empty_batch_says_how_to_fill_it(connection: Connection) -> None:
    with pytest.raises(ConsoleError, match="podium drop PATH --batch tuesday"):
        next(batches.watch(connection, "tuesday", timeout_s=None))


@given(total=st.integers(0, 50), classified=st.integers(0, 50), rejected=st.integers(0, 50))
def test_what_waits_is_what_has_no_verdict(total: int, classified: int, rejected: int) -> None:
    now = batches.Progress(total + classified + rejected, classified, rejected, queued=0, in_flight=0)
    assert now.waiting == total
