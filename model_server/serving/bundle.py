"""Many images in one request: a tar archive, as `tar cf - *.jpg` writes it. No file is ever unpacked."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Iterator
from typing import NamedTuple

BLOCK = tarfile.BLOCKSIZE  # bytes
MAX_IMAGES = 64  # in one request
MAX_ENTRIES = 1000  # folders and links are passed over, and each costs time
MAX_HEADER = (
    10 * BLOCK
)  # of a long name: 4096 bytes in Linux; Python's tarfile takes the square of it in time, see below
MAX_HEADERS = 256 * BLOCK  # all of them together
_MAGIC, _MAGIC_AT = b"ustar", 257  # of POSIX tar and of GNU tar


class NoBundle(ValueError):
    """The body begins like a tar and is none that can be read: a sentence for the sender."""

    def __init__(self, sentence: str, *, too_many: bool = False) -> None:
        super().__init__(sentence)
        self.too_many = too_many


class Member(NamedTuple):
    """One file of a bundle: its name in the tar, and its bytes, which still lie in the body."""

    name: str
    data: memoryview


def is_bundle(body: bytes | bytearray | memoryview) -> bool:
    """Whether the body is a tar; no image has these bytes there by its format."""
    return bytes(body[_MAGIC_AT : _MAGIC_AT + len(_MAGIC)]) == _MAGIC


def read_bundle(body: bytes | bytearray | memoryview, *, max_images: int = MAX_IMAGES) -> list[Member]:
    """The files of a tar in their order; folders, links and the like are passed over.

    Raises NoBundle if it is cut short, damaged, empty, or holds more than `max_images` files.
    """
    members: list[Member] = []
    view = memoryview(body)
    try:
        with tarfile.open(fileobj=_Borrowed(view), mode="r:", encoding="utf-8", errors="replace") as tar:
            for number, entry in enumerate(iter(tar.next, None)):
                tar.members.clear()  # type: ignore[attr-defined]  # each keeps a copy of what a global header says
                if entry.isreg() and not entry.issparse():
                    members.append(_member(entry, view))
                if len(members) > max_images:
                    raise NoBundle(f"The tar holds more than {max_images} images. Send it in parts.", too_many=True)
                if number == MAX_ENTRIES:
                    raise NoBundle(f"The tar holds more than {MAX_ENTRIES} entries. Put nothing but images into it.")
            end = bytes(view[tar.offset : tar.offset + BLOCK])  # tarfile takes a damaged header for the end
    except (tarfile.TarError, ValueError, OverflowError, RecursionError) as error:
        if isinstance(error, NoBundle):
            raise
        raise NoBundle(
            f"The tar cannot be read ({error}). Make it with `tar cf - *.jpg`, without compression."
        ) from error
    if end != bytes(BLOCK):
        raise NoBundle(f"The tar is damaged or cut short after {len(members)} images. Send it whole.")
    if not members:
        raise NoBundle("The tar holds no file. Put the images into it.")
    return members


def write_bundle(
    images: Iterable[tuple[str, bytes | bytearray | memoryview]],
) -> Iterator[bytes | bytearray | memoryview]:
    """The pieces of a tar of named images, to be sent one after another; the images' bytes are not copied."""
    for name, data in images:
        entry = tarfile.TarInfo(name)
        entry.size = len(data)
        yield entry.tobuf(tarfile.PAX_FORMAT)
        yield data
        yield bytes(-len(data) % BLOCK)
    yield bytes(2 * BLOCK)


def _member(entry: tarfile.TarInfo, view: memoryview) -> Member:
    end = entry.offset_data + entry.size
    if end > len(view):
        raise NoBundle(f"The tar ends inside of {entry.name!r}. Send it whole.")
    return Member(entry.name, view[entry.offset_data : end])


class _Borrowed(io.RawIOBase):
    """A file over bytes that stay where they are; io.BytesIO would copy them.

    No more than a header is ever read of it: tarfile before Python 3.13.6 reads a size below 0 without an end
    (CVE-2025-8194), and a long name takes the square of its length in time.
    """

    def __init__(self, view: memoryview) -> None:
        self._view = view
        self._at = 0
        self._left = MAX_HEADERS

    def read(self, size: int = -1) -> bytes:
        self._left -= size if size > BLOCK else 0
        if not 0 <= size <= MAX_HEADER or self._left < 0:
            raise tarfile.ReadError("its names are too long")
        end = self._at + size
        piece = bytes(self._view[self._at : end])
        self._at += len(piece)
        return piece

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: len(self._view)}[whence])
        return self._at

    def tell(self) -> int:
        return self._at

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True
