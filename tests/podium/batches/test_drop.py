"""Which files a drop uploads, under which keys, and which images the batch expects then."""

from __future__ import annotations

import errno
import hashlib
import os
import unicodedata
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree.ElementTree import fromstring
from xml.sax.saxutils import escape

import pytest
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError, NoCredentialsError
from hypothesis import given
from hypothesis import strategies as st

from pipeline.batches.ledger import Entry, Ledger
from pipeline.batches.manifests import expected_images, part_keys, read_parts, revision_of
from pipeline.contracts import ExpectedImage
from podium.batches.drop import drop, expect, latest_uploads, plan_uploads, upload
from podium.batches.keys import why_no_key, why_not_made
from podium.connection import Connection
from podium.errors import EXIT_USAGE, ConsoleError
from tests.podium.conftest import INPUT

RESULTS = "podium-results"
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def folder_of(tmp_path: Path, *names: str) -> Path:
    for name in names:
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return tmp_path / "photos"


def test_a_folder_keeps_its_inner_structure_without_what_is_hidden_or_left_by_a_system(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "a/été & 100%.jpg", "b.jpg", ".DS_Store", ".git/config", "@eaDir/b.jpg/thumb.jpg")
    keys = [it.key for it in plan_uploads([folder], "monday")]
    assert keys == ["incoming/monday/a/été & 100%.jpg", "incoming/monday/b.jpg"]


def test_a_single_file_becomes_its_own_name(tmp_path: Path) -> None:
    file = folder_of(tmp_path, "b.jpg") / "b.jpg"
    assert [it.key for it in plan_uploads([file], "monday")] == ["incoming/monday/b.jpg"]


@pytest.mark.parametrize("name", ["", "a/b", ".", "..", "é" * 101, "mon\nday", "mon\x1b[2Jday", "mon\udce9day"])
def test_a_name_that_cannot_be_a_batch_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConsoleError, match="cannot name a batch") as refused:
        plan_uploads([tmp_path], name)
    assert refused.value.exit_code == EXIT_USAGE


@pytest.mark.parametrize(
    ("name", "quoted", "why"),
    [
        ("a\x01.jpg", r"a\x01.jpg", r"'\x01' in it is a control character, which S3's naming rules advise against"),
        ("a\x1b[31m.jpg", r"a\x1b[31m.jpg", r"'\x1b' in it"),
        ("two\r\nlines.jpg", r"two\r\nlines.jpg", r"'\r' in it"),
        ("\x7f/b.jpg", r"\x7f/b.jpg", r"'\x7f' in it"),
        ("\x9b31m.jpg", r"\x9b31m.jpg", r"'\x9b' in it"),
        ("\ufffe.jpg", r"\ufffe.jpg", r"'\ufffe' in it"),
        ("caf\udce9.jpg", r"caf\udce9.jpg", r"'\udce9' in it is no text, and keys of S3 are UTF-8"),
        (f"{'a' * 250}/" * 4 + "b.jpg", "b.jpg", "a key has at most 1024 bytes, and it has 1025"),
    ],
)
def test_a_file_whose_name_is_no_key_is_refused_before_anything_is_uploaded(
    tmp_path: Path, name: str, quoted: str, why: str
) -> None:
    folder = folder_of(tmp_path, "fine.jpg", name)
    with pytest.raises(ConsoleError) as refused:
        plan_uploads([folder], "monday")
    assert f"{quoted}' cannot name an image in S3: {why}" in str(refused.value)
    assert str(refused.value).endswith("Rename it.")
    assert str(refused.value).isprintable()
    assert refused.value.exit_code == EXIT_USAGE


@given(st.text(st.characters(), min_size=1, max_size=60))
def test_a_key_is_made_if_s3_has_it_and_no_terminal_or_list_is_harmed_by_its_controls(name: str) -> None:
    made = why_not_made(name) is None
    categories = {unicodedata.category(letter) for letter in name}
    assert made == (not categories & {"Cc", "Cs"} and not set(name) & {"\ufffe", "\uffff"})
    if made:
        fromstring(f"<k>{escape(name)}</k>")
        assert why_no_key(name) is None


def test_a_path_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConsoleError, match=r"nowhere does not exist"):
        plan_uploads([tmp_path / "nowhere"], "monday")


def test_a_pipe_is_named_as_one(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(
        ConsoleError, match=r"pipe\.jpg: it is a pipe, .* and no file: give a file or a folder of images"
    ):
        plan_uploads([tmp_path / "pipe.jpg"], "monday")


@pytest.mark.parametrize("device", ["/dev/null", "/dev/zero"])
def test_a_device_is_named_as_one(device: str) -> None:
    with pytest.raises(
        ConsoleError,
        match=rf"{device}: it is a pipe, a socket or a device, and no file: give a file or a folder of images",
    ):
        plan_uploads([Path(device)], "monday")


def test_two_files_for_one_key_are_refused_before_anything_is_uploaded(tmp_path: Path) -> None:
    one = folder_of(tmp_path / "1", "b.jpg")
    two = folder_of(tmp_path / "2", "b.jpg")
    with pytest.raises(ConsoleError, match=r"would both become incoming/monday/b\.jpg"):
        plan_uploads([one, two], "monday")


def test_an_empty_folder_is_no_batch(tmp_path: Path) -> None:
    with pytest.raises(ConsoleError, match="no file to upload"):
        plan_uploads([tmp_path], "monday")


def test_every_file_is_uploaded_with_its_kind_and_counted(connection: Connection, tmp_path: Path) -> None:
    uploads = plan_uploads([folder_of(tmp_path, "a.jpg", "b.png", "c")], "monday")
    counted: list[int] = []
    upload(connection, uploads, counted.append)
    assert counted == [1, 2, 3]
    kinds = {it.key: connection.s3.head_object(Bucket=INPUT, Key=it.key)["ContentType"] for it in uploads}
    assert sorted(kinds.values()) == ["application/octet-stream", "image/jpeg", "image/png"]


def test_a_batch_whose_name_begins_alike_is_another_batch(connection: Connection) -> None:
    for batch in ("monday", "monday-2"):
        connection.s3.put_object(Bucket=INPUT, Key=f"incoming/{batch}/a.jpg", Body=b"x")
    assert list(latest_uploads(connection, "monday")) == [f"s3://{INPUT}/incoming/monday/a.jpg"]


def drop_folder(connection: Connection, folder: Path, now: datetime = NOON) -> list[ExpectedImage]:
    """Drop a folder; the images of the part of the manifest that this wrote."""
    before = set(keys_of(connection))
    drop(connection, plan_uploads([folder], "monday"), now, lambda _: None)
    [part] = read_parts(connection.s3, RESULTS, [key for key in keys_of(connection) if key not in before])
    return list(part.images)


def entry(connection: Connection) -> Entry:
    found = Ledger(connection.dynamodb_client, connection.facts.ledger).read("monday")
    assert found is not None
    return found


def keys_of(connection: Connection) -> list[str]:
    return part_keys(connection.s3, RESULTS, "monday")


def test_a_drop_writes_down_which_versions_it_made(connection: Connection, tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "a.jpg", "été/b.jpg")
    images = drop_folder(connection, folder)
    uploads = latest_uploads(connection, "monday")
    assert {it.image: it.version_id for it in images} == {image: it.version_id for image, it in uploads.items()}
    [part] = read_parts(connection.s3, RESULTS, keys_of(connection))
    assert (part.batch, part.created_at) == ("monday", NOON)
    assert {it.etag for it in images} == {hashlib.md5(b"x").hexdigest()}


def test_what_is_uploaded_meanwhile_is_not_what_the_drop_made(connection: Connection, tmp_path: Path) -> None:
    uploads = plan_uploads([folder_of(tmp_path, "a.jpg")], "monday")

    others = [b"another's"]

    def overwrite(**_: object) -> None:
        if others:
            connection.s3.put_object(Bucket=INPUT, Key=uploads[0].key, Body=others.pop())

    connection.s3.meta.events.register("after-call.s3.PutObject", overwrite)
    [image] = upload(connection, uploads, lambda _: None)
    assert others == []
    made = connection.s3.get_object(Bucket=INPUT, Key=uploads[0].key, VersionId=str(image.version_id))
    assert made["Body"].read() == b"x"


def test_a_drop_opens_the_batch_with_all_its_images(connection: Connection, tmp_path: Path) -> None:
    drop_folder(connection, folder_of(tmp_path, "a.jpg", "b.jpg"))
    assert (entry(connection).expected, entry(connection).revision) == (2, revision_of(keys_of(connection)))


def test_a_second_drop_adds_to_the_batch_and_counts_no_image_twice(connection: Connection, tmp_path: Path) -> None:
    drop_folder(connection, folder_of(tmp_path, "a.jpg", "b.jpg"))
    before = entry(connection)
    [b, c] = drop_folder(connection, folder_of(tmp_path / "2", "b.jpg", "c.jpg"), NOON + timedelta(minutes=1))
    after = entry(connection)
    assert (after.expected, after.revision != before.revision) == (3, True)
    expected = expected_images(read_parts(connection.s3, RESULTS, keys_of(connection)))
    assert (expected[b.image], expected[c.image]) == (b, c)


def test_a_large_drop_is_written_in_parts(connection: Connection) -> None:
    images = [ExpectedImage(image=f"s3://{INPUT}/incoming/monday/{n}", version_id="v") for n in range(10_001)]
    assert expect(connection, "monday", images, NOON) == 10_001
    parts = read_parts(connection.s3, RESULTS, keys_of(connection))
    assert sorted(len(part.images) for part in parts) == [1, 10_000]


@pytest.mark.parametrize(
    ("code", "what_to_do"),
    [
        ("AccessDenied", "Let your AWS profile put objects there: .* which may ask for an encryption"),
        ("KMS.DisabledException", "Enable the KMS key"),
        ("ExpiredToken", "aws sso login"),
        ("SlowDown", r"\(SlowDown\) .*: no\."),
    ],
)
def test_a_bucket_that_takes_no_file_is_told_with_what_to_do(
    connection: Connection, tmp_path: Path, code: str, what_to_do: str
) -> None:
    def refuse(**_: object) -> None:
        raise ClientError({"Error": {"Code": code, "Message": "no"}}, "PutObject")

    connection.s3.meta.events.register("before-call.s3.PutObject", refuse)
    with pytest.raises(ConsoleError, match=rf"b\.jpg was not uploaded: .*{what_to_do}"):
        upload(connection, plan_uploads([folder_of(tmp_path, "b.jpg")], "monday"), lambda _: None)


def test_one_key_of_other_tools_that_no_list_of_versions_holds_hides_no_image_of_its_batch(
    connection: Connection,
) -> None:
    keys = [f"incoming/monday/{name}.jpg" for name in ("\x01", "\ufffe", "a", "two\rlines")]
    for key in keys:
        connection.s3.put_object(Bucket=INPUT, Key=key, Body=key.encode())
    uploads = latest_uploads(connection, "monday")
    assert set(uploads) == {f"s3://{INPUT}/{key}" for key in keys}
    assert {it.etag for it in uploads.values()} == {hashlib.md5(key.encode()).hexdigest() for key in keys}


def test_an_upload_that_fails_expects_nothing(connection: Connection, tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "a.jpg", "b.jpg")
    uploads = plan_uploads([folder], "monday")
    (folder / "b.jpg").unlink()
    with pytest.raises(ConsoleError, match=r"b\.jpg was not uploaded"):
        drop(connection, uploads, NOON, lambda _: None)
    assert keys_of(connection) == []


@pytest.mark.parametrize("wrapped", [False, True], ids=["the photo", "the connection"])
def test_a_file_that_is_one_too_many_open_is_told_with_the_limit(
    connection: Connection, tmp_path: Path, wrapped: bool
) -> None:
    def refuse(**_: object) -> None:
        error = OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        if not wrapped:
            error.filename = str(photo)
            raise error
        try:
            raise error
        except OSError as cause:  # as botocore does
            raise EndpointConnectionError(endpoint_url="https://s3", error=cause)  # noqa: B904

    photo = folder_of(tmp_path, "b.jpg") / "b.jpg"
    connection.s3.meta.events.register("before-call.s3.PutObject", refuse)
    with pytest.raises(ConsoleError) as told:
        upload(connection, plan_uploads([photo], "monday"), lambda _: None)
    what, _, action = str(told.value).partition(". ")
    assert what.casefold() == f"{photo} was not uploaded: this shell allows no more open files".casefold()
    assert action == "Raise its limit, as ulimit -n 4096, and try again."


def test_without_credentials_or_network_the_advice_is_to_sign_in_or_to_look_at_the_network(
    connection: Connection, tmp_path: Path
) -> None:
    raised: list[BotoCoreError] = [NoCredentialsError(), EndpointConnectionError(endpoint_url="https://s3")]

    def refuse(**_: object) -> None:
        raise raised[0]

    uploads = plan_uploads([folder_of(tmp_path, "b.jpg")], "monday")
    connection.s3.meta.events.register("before-call.s3.PutObject", refuse)
    with pytest.raises(ConsoleError, match=r"was not uploaded: no AWS credentials: .* Sign in"):
        upload(connection, uploads, lambda _: None)
    raised.pop(0)
    with pytest.raises(ConsoleError, match=r"was not uploaded: S3 cannot be reached .* Check your network"):
        upload(connection, uploads, lambda _: None)
