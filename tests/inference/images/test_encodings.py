"""gzip undone as the standard library undoes it, however the bytes come, and never more of it than is read."""

from __future__ import annotations

import gzip
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.images.encodings import NotDecoded, is_compressed, unpacked

MEMBERS = st.lists(st.binary(max_size=300) | st.integers(1, 100_000).map(bytes), min_size=1, max_size=4)


class Dripping:
    """Hands over so many bytes at once."""

    def __init__(self, data: bytes, most: int) -> None:
        self._data, self._most = io.BytesIO(data), most

    def read(self, size: int) -> bytes:
        return self._data.read(min(size, self._most))


def content_of(packed: bytes, *, head: int = 2, most: int = 10**6, at_once: int = 999) -> bytes:
    with unpacked(packed[:head], Dripping(packed[head:], most), 10**6) as content:
        return b"".join(iter(lambda: content.read(at_once), b""))


@given(MEMBERS, st.integers(0, 600), st.integers(2, 60), st.integers(1, 400), st.integers(1, 5_000))
def test_members_are_their_contents_whatever_comes_at_once(
    members: list[bytes], padding: int, head: int, most: int, at_once: int
) -> None:
    packed = b"".join(map(gzip.compress, members)) + bytes(padding)
    assert content_of(packed, head=head, most=most, at_once=at_once) == gzip.decompress(packed) == b"".join(members)


@given(MEMBERS, st.data())
def test_bytes_that_end_within_a_member_are_refused_and_those_between_two_are_not(
    members: list[bytes], data: st.DataObject
) -> None:
    whole = [gzip.compress(member) for member in members]
    cut = data.draw(st.integers(2, sum(map(len, whole))))
    ends = {sum(map(len, whole[: n + 1])): b"".join(members[: n + 1]) for n in range(len(whole))}
    packed = b"".join(whole)[:cut]
    if cut in ends:
        assert content_of(packed) == ends[cut]
    else:
        with pytest.raises(NotDecoded, match="ends too early"):
            content_of(packed)


@pytest.mark.parametrize("tail", [b"x" * 20, b"\0\0" + b"x" * 20, b"\x1f\x8b\x07" * 9])
def test_what_follows_and_is_no_member_is_damage(tail: bytes) -> None:
    with pytest.raises(NotDecoded, match="damaged"):
        content_of(gzip.compress(b"photo") + tail)


@pytest.mark.parametrize(
    ("header", "compressed"),
    [
        (None, False),
        ("", False),
        ("identity", False),
        ("aws-chunked", False),
        (" GZIP ,", True),
        ("aws-chunked,x-gzip", True),
    ],
)
def test_a_header_means_what_the_bytes_confirm(header: str | None, compressed: bool) -> None:
    assert is_compressed(header, b"\x1f\x8b", is_image=False) == compressed
    assert not is_compressed(header, b"other", is_image=False)
    assert not is_compressed("br", b"\xff\xd8\xff", is_image=True)
