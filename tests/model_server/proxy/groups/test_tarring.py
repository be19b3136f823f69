"""The tar of a group is the project's own, byte for byte; one that comes is read as the project reads it."""

from __future__ import annotations

import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.groups.tarring import members_of, tar_pieces
from serving.bundle import Member, NoBundle, read_bundle, write_bundle


@given(st.lists(st.integers(0, 70_000), min_size=1, max_size=64))
def test_a_group_is_written_as_any_bundle_is(sizes: list[int]) -> None:
    images = [memoryview(bytes([place]) * size) for place, size in enumerate(sizes)]
    tar = b"".join(tar_pieces(images))
    assert tar == b"".join(write_bundle((str(place), image) for place, image in enumerate(images)))
    assert [member.data for member in read_bundle(tar)] == images


def test_a_large_image_has_its_size_in_the_header() -> None:
    assert len(read_bundle(b"".join(tar_pieces([memoryview(bytes(11 * 2**20))])))[0].data) == 11 * 2**20


def read(reader: object, tar: bytes) -> list[Member] | str:
    try:
        return members_of(memoryview(tar)) if reader is members_of else read_bundle(tar)
    except NoBundle as error:
        return str(error)


def packed(form: int, *, folder: bool = False, link: bool = False, name: str = "a.jpg") -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form) as tar:
        for place in range(3):
            entry = tarfile.TarInfo(f"{place}{name}")
            entry.size = 700
            tar.addfile(entry, io.BytesIO(bytes([place]) * 700))
        for kind in [tarfile.DIRTYPE] * folder + [tarfile.SYMTYPE] * link:
            entry = tarfile.TarInfo("other")
            entry.type, entry.linkname = kind, "0a.jpg"
            tar.addfile(entry)
    return file.getvalue()


TARS = [
    packed(form, folder=folder, link=link, name=name)
    for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)
    for folder, link in ((False, False), (True, True))
    for name in ("a.jpg", "x" * 90, "folder/" * 20 + "a.jpg")
] + [packed(form, name="été.jpg") for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)]


@pytest.mark.parametrize("tar", TARS)
def test_every_kind_of_tar_is_read_as_the_project_reads_it(tar: bytes) -> None:
    assert read(members_of, tar) == read(read_bundle, tar)


CHANGES = st.lists(st.tuples(st.integers(0, 520) | st.integers(0, 3000), st.sampled_from(b"\0 0189/L\xff")), max_size=3)


@given(st.sampled_from(TARS), CHANGES, st.integers(0))
def test_so_is_one_that_was_damaged_or_cut_short(tar: bytes, changes: list[tuple[int, int]], kept: int) -> None:
    damaged = bytearray(tar)
    for place, value in changes:
        damaged[place % len(damaged)] = value
    cut = bytes(damaged[: kept % (len(tar) + 1)])
    assert read(members_of, cut) == read(read_bundle, cut)
