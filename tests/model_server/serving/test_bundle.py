"""Many images in one tar: what any tar writes is read, what is damaged is refused, and neither costs much."""

from __future__ import annotations

import io
import os
import random
import shutil
import signal
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Literal, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from inference.images.formats import READABLE
from serving.bundle import (
    BLOCK,
    MAX_ENTRIES,
    MAX_HEADER,
    MAX_IMAGES,
    Member,
    NoBundle,
    is_bundle,
    read_bundle,
    write_bundle,
)
from tests.inference.images.pictures import corners, encoded, heic

Images = list[tuple[str, bytes]]
FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}
END = bytes(2 * BLOCK)
FUZZ_S = 2.0  # of each of the two tests that damage at random

# Any letters but halves of them and NUL; a tar drops a slash at the end, for then it is a folder.
names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=300)
images = st.lists(
    st.tuples(names.filter(lambda name: name[-1] != "/"), st.binary(max_size=1500)), min_size=1, max_size=6
)


def tar_of(images: Images) -> bytes:
    return b"".join(write_bundle(images))


def seen(members: list[Member]) -> Images:
    return [(member.name, bytes(member.data)) for member in members]


def refusal(body: bytes) -> NoBundle:
    with pytest.raises(NoBundle) as caught:
        read_bundle(body)
    assert str(caught.value).endswith(".")
    return caught.value


@contextmanager
def within(seconds: int) -> Iterator[None]:
    """A test that would go on for minutes fails."""

    def ring(_: int, __: FrameType | None) -> NoReturn:
        raise AssertionError(f"it took more than {seconds} s")

    signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


@given(images)
def test_what_is_written_is_read_again(images: Images) -> None:
    body = tar_of(images)
    assert is_bundle(body)
    for kind in (bytes, bytearray, memoryview):
        assert seen(read_bundle(kind(body))) == images


@given(images)
def test_what_is_written_is_a_tar_to_python_too(images: Images) -> None:
    with tarfile.open(fileobj=io.BytesIO(tar_of(images)), mode="r:") as opened:
        found = [(entry.name, content.read()) for entry in opened if (content := opened.extractfile(entry))]
    assert found == images


def test_the_bytes_of_the_images_are_copied_neither_to_write_nor_to_read() -> None:
    data = bytes(100_000)
    assert any(piece is data for piece in write_bundle([("a", data)]))
    body = bytearray(tar_of([("a", data), ("b", b"2")]))
    [first, _] = read_bundle(body)
    body[BLOCK] = 7
    assert first.data[0] == 7


def test_what_gnu_tar_writes_is_read(tmp_path: Path) -> None:
    gnu_tar = shutil.which("tar")
    if gnu_tar is None:
        pytest.skip("there is no tar")
    written = {"a.jpg": b"1" * 700, "ä ö 足球.jpg": b"2", "n" * 70 + "/" + "n" * 70 + ".jpg": b"", "folder/b.jpg": b"3"}
    for name, data in written.items():
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(data)
    (tmp_path / "in" / "link.jpg").symlink_to("a.jpg")
    os.link(tmp_path / "in" / "a.jpg", tmp_path / "in" / "z-same.jpg")
    with (tmp_path / "in" / "sparse.jpg").open("wb") as sparse:
        sparse.truncate(1 << 20)
    for form in ("ustar", "gnu", "pax", "posix", "oldgnu"):
        command = [gnu_tar, f"--format={form}", "--sort=name", "-cf", "-", "-C", str(tmp_path / "in"), "."]
        body = subprocess.run(command, check=True, capture_output=True).stdout
        assert is_bundle(body)
        found = seen(read_bundle(body))
        assert {name.removeprefix("./"): data for name, data in found if "sparse" not in name} == written, form
        if form != "ustar":
            sparsely = subprocess.run([*command[:1], "--sparse", *command[1:]], check=True, capture_output=True).stdout
            found = seen(read_bundle(sparsely))
            assert {name.removeprefix("./"): data for name, data in found} == written, "a file with holes is no image"


@pytest.mark.parametrize("form", FORMATS)
def test_what_python_writes_is_read_and_what_is_no_file_is_passed_over(form: str) -> None:
    images = [("a.jpg", b"1" * 600), ("folder/ä.jpg", b"2"), ("d/" * 45 + "deep.jpg", b"3"), ("empty.jpg", b"")]
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=FORMATS[form]) as opened:
        for kind in (tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE):
            other = tarfile.TarInfo(f"other {kind!r}")
            other.type, other.linkname = kind, "a.jpg"
            opened.addfile(other)
        for name, data in images:
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime, entry.uname = len(data), 1e9 + 0.5, "ü"
            opened.addfile(entry, io.BytesIO(data))
    assert seen(read_bundle(buffer.getvalue())) == images


def test_a_name_in_another_encoding_can_still_be_written_as_json() -> None:
    body = bytearray(tar_of([("a.jpg", b"1")]))
    header = tarfile.TarInfo("\udcff.jpg").tobuf(tarfile.GNU_FORMAT, errors="surrogateescape")
    [member] = read_bundle(header + bytes(body[-1024:]))
    assert member.name == "\ufffd.jpg"


def test_the_same_name_twice_is_two_images() -> None:
    assert seen(read_bundle(tar_of([("a", b"1"), ("a", b"2")]))) == [("a", b"1"), ("a", b"2")]


def test_a_tar_may_have_any_amount_of_nothing_at_its_end() -> None:
    whole = tar_of([("a", b"1")])
    for body in (whole + bytes(10_240), whole[:-BLOCK]):
        assert seen(read_bundle(body)) == [("a", b"1")]


IMAGES = [("a.jpg", b"1" * 1300), ("足球.jpg" * 20, b"2" * 512), ("c.jpg", b""), ("d.jpg", b"4")]


def test_a_tar_cut_at_any_block_or_beside_it_is_refused_and_never_half_a_response() -> None:
    whole = tar_of(IMAGES)
    for block in range(0, len(whole) - BLOCK, BLOCK):
        for length in {max(0, block - 1), block, block + 1, block + 300}:
            refused = refusal(whole[:length])
            assert not refused.too_many


def test_more_files_than_are_allowed_are_too_many_not_damaged() -> None:
    many = [(f"{n}", b"1") for n in range(MAX_IMAGES)]
    assert len(read_bundle(tar_of(many))) == MAX_IMAGES
    refused = refusal(tar_of([*many, ("one", b"more")]))
    assert refused.too_many
    assert "more than 64 images" in str(refused)
    assert len(read_bundle(tar_of([*many, ("one", b"more")]), max_images=65)) == 65


@pytest.mark.parametrize("body", [b"", END, bytes(BLOCK), b"text", b"\x1f\x8b" + bytes(600), b"ustar" * 200])
def test_what_holds_no_file_is_refused(body: bytes) -> None:
    assert not refusal(body).too_many


def test_no_image_is_taken_for_a_tar() -> None:
    for form in READABLE:
        for mode in ("RGB", "L"):
            picture = corners().convert(mode)
            assert not is_bundle(heic(picture) if form == "HEIC" else encoded(picture, form))
    assert not is_bundle(b"")
    assert not is_bundle(encoded(Image.new("RGB", (1, 1)), "PNG"))
    assert is_bundle(tar_of([("a.jpg", encoded(corners(), "JPEG"))]))


def header(kind: bytes, size: int, *, raw_size: bytes | None = None) -> bytes:
    """One header block of any kind and size; `raw_size` stands in its field as it is."""
    entry = tarfile.TarInfo("name")
    entry.type, entry.size = kind, size
    block = bytearray(entry.tobuf(tarfile.GNU_FORMAT))
    if raw_size is not None:
        block[124:136] = raw_size
        block[148:156] = b" " * 8
        block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def in_blocks(data: bytes) -> bytes:
    return data + bytes(-len(data) % BLOCK)


FILE, FOLDER, PAX, GLOBAL, LONG_NAME, UNKNOWN = b"0", b"5", b"x", b"g", b"L", b"Z"
BELOW_ZERO = b"\xff" * 10 + b"\xfe\x00"  # -512
KEYS = b"".join(b"12 %06d=\n" % n for n in range(5)) * 20_000

COSTLY: dict[str, Callable[[], bytes]] = {
    "a size below zero, which leads back": lambda: header(FILE, 0) + header(UNKNOWN, 0, raw_size=BELOW_ZERO) + END,
    "a file's size below zero": lambda: header(FILE, 0) + header(FILE, 0, raw_size=BELOW_ZERO) + END,
    "a name's size below zero": lambda: header(LONG_NAME, 0, raw_size=BELOW_ZERO) + header(FILE, 0) + END,
    "a size of 2**95": lambda: header(FILE, 0, raw_size=b"\x80" + b"\xff" * 11) + END,
    "a million digits before a name": lambda: header(PAX, 1 << 20) + b"1" * (1 << 20) + header(FILE, 0) + END,
    "many times the most digits": lambda: (header(PAX, MAX_HEADER) + b"1" * MAX_HEADER + header(FILE, 0)) * 60 + END,
    "a megabyte of keys for every folder": lambda: (
        header(GLOBAL, len(KEYS)) + in_blocks(KEYS) + header(FOLDER, 0) * 3000 + END
    ),
    "names before names": lambda: (header(LONG_NAME, 2) + in_blocks(b"b\0")) * 2000 + header(FILE, 0) + END,
    "pax before pax": lambda: (header(PAX, 10) + in_blocks(b"10 path=b\n")) * 2000 + header(FILE, 0) + END,
    "folders": lambda: header(FOLDER, 0) * 33_000 + END,
}


@pytest.mark.parametrize("name", COSTLY)
def test_a_tar_that_is_made_to_cost_time_is_refused_soon(name: str) -> None:
    """Python's tarfile before 3.13.6 reads some of them for minutes, or without an end."""
    with within(20):
        refusal(COSTLY[name]())


def test_folders_beside_the_images_are_passed_over_up_to_a_limit() -> None:
    one = tar_of([("a", b"1")])
    assert len(read_bundle(header(FOLDER, 0) * (MAX_ENTRIES - 1) + one)) == 1
    assert "Put nothing but images into it" in str(refusal(header(FOLDER, 0) * MAX_ENTRIES + one))


def test_a_name_as_long_as_linux_allows_fits() -> None:
    long = [("d/" * 2047 + "a", b"1"), ("足" * 1360 + "b", b"2")]
    for form in ("pax", "gnu"):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=FORMATS[form]) as opened:
            for name, data in long:
                entry = tarfile.TarInfo(name)
                entry.size = len(data)
                opened.addfile(entry, io.BytesIO(data))
        assert seen(read_bundle(buffer.getvalue())) == long


def judged(body: bytes) -> Images | Literal["refused"]:
    try:
        return seen(read_bundle(body))
    except NoBundle as refused:
        return "refused" if str(refused).endswith(".") else []


def test_a_flipped_bit_in_a_header_is_refused_or_changes_no_image() -> None:
    """A header carries the sum of its bytes; those of an image are not checked here."""
    whole = tar_of([("a.jpg", b"1" * 600), ("b.jpg", b"2")])
    second = 3 * BLOCK  # a header, two blocks of the first image
    for start in (0, second):
        for place in range(start, start + BLOCK):
            for bit in (0, 3, 7):
                body = bytearray(whole)
                body[place] ^= 1 << bit
                assert judged(bytes(body)) in ("refused", [("a.jpg", b"1" * 600), ("b.jpg", b"2")]), place


@pytest.mark.parametrize("seed", [1, 2])
def test_a_tar_damaged_anywhere_is_read_or_refused_and_raises_nothing_else(seed: int) -> None:
    """With the sums of headers put right again, so that their fields are believed."""
    chance = random.Random(seed)
    wholes = [
        tar_of(IMAGES),
        tar_of([("x", os.urandom(100))] * 5),
        header(GLOBAL, 10) + in_blocks(b"10 path=b\n") + tar_of(IMAGES),
    ]
    until = time.monotonic() + FUZZ_S
    with within(30):
        while time.monotonic() < until:
            body = bytearray(chance.choice(wholes))
            for _ in range(chance.randint(1, 8)):
                place = (
                    chance.randrange(len(body))
                    if chance.random() < 0.5
                    else 512 * chance.randrange(6) + chance.randrange(160)
                )
                body[min(place, len(body) - 1)] = chance.choice(
                    [0, 0x20, 0x30, 0x37, 0x80, 0xFF, chance.randrange(256)]
                )
            if chance.random() < 0.7:
                mend_sums(body)
            found = judged(bytes(body[: chance.choice([len(body), chance.randrange(len(body) + 1)])]))
            assert found == "refused" or 0 < len(found) <= MAX_IMAGES


def mend_sums(body: bytearray) -> None:
    """Makes the sum of every block that looks like a header right again, so that what is in it is believed."""
    for start in range(0, len(body) - BLOCK + 1, BLOCK):
        if body[start + 257 : start + 262] == b"ustar":
            body[start + 148 : start + 156] = b" " * 8
            body[start + 148 : start + 156] = b"%06o\0 " % sum(body[start : start + BLOCK])
