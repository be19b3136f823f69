"""The structure of a `.mar`, a ZIP: checked whole before an entry is read.

end record -> number and table of entries, bounded -> each entry: name, kind, method, size -> local headers, end to end

TorchServe's Java reads the local headers one after the other, Python the table at the end. An archive in which they differ
would be two models, so it is refused, and so is anything between the entries, before or behind them.
"""

from __future__ import annotations

import re
import stat
import struct
import zipfile
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import BinaryIO

from inference.archive.errors import AGAIN, COPY, ModelRefused, short
from inference.harmless import harmless

MOST_ENTRIES = 1000  # an archive of ours has 60
MOST_TABLE = 2**20  # bytes of the entries' names and sizes
LONGEST_NAME = 255
# Weights hardly shrink: by 7 % at best. A small archive that inflates to gigabytes is no model.
MOST_INFLATED, MOST_TIMES = 64 * 2**20, 20  # bytes, and times the size of the file

_END = struct.Struct("<4s4H2LH")  # APPNOTE.TXT 4.3.16, and the next ones of 4.3.14, 4.3.15 and 4.3.7
_END_64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR_64 = struct.Struct("<4sLQL")
_LOCAL = struct.Struct("<4s5H3L2H")
_FULL_16, _FULL_32 = 0xFFFF, 0xFFFFFFFF  # the number stands in a ZIP64 field
_FLAGS = 0x800 | 0x6  # a name in UTF-8, and how hard deflate tried
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # Python inflates the others without a bound
_UNSAFE = re.compile(r'[\\:*?"<>|]')  # Windows reads a path into these


def check_end(file: BinaryIO) -> int:
    """The number of entries, by the end record. Raises ModelRefused unless it is the file's end and its table is small."""
    size = file.seek(0, 2)
    file.seek(max(0, size - _END.size - _LOCATOR_64.size - _END_64.size))
    tail = file.read()
    if len(tail) < _END.size or tail[-_END.size :][:4] != b"PK\5\6":
        raise ModelRefused("It is no ZIP, is cut short, or something follows its end.", COPY)
    _, disk, first_disk, here, total, table, offset, comment = _END.unpack(tail[-_END.size :])
    end = size - _END.size
    if tail[-_END.size - _LOCATOR_64.size :][:4] == b"PK\6\7":
        large = tail[: -_END.size - _LOCATOR_64.size]
        if len(large) != _END_64.size or large[:4] != b"PK\6\6":
            raise ModelRefused("Its ZIP64 end record is not where it should be.", AGAIN)
        values = _END_64.unpack(large)[4:]
        plain = (disk, first_disk, here, total, table, offset)
        full = (_FULL_16, _FULL_16, _FULL_16, _FULL_16, _FULL_32, _FULL_32)
        if any(small not in (value, most) for small, value, most in zip(plain, values, full, strict=True)):
            raise ModelRefused("Its two end records differ.", AGAIN)
        disk, first_disk, here, total, table, offset = values
        end -= _LOCATOR_64.size + _END_64.size
    if total > MOST_ENTRIES or table > MOST_TABLE:
        raise ModelRefused(
            f"It has {total:,} entries, and {MOST_ENTRIES:,} at most are allowed.",
            "Leave out what is no model.",
        )
    if disk or first_disk or here != total or comment or offset + table != end:
        raise ModelRefused("Its end record does not describe the whole file.", AGAIN)
    return int(total)


def check_entries(file: BinaryIO, opened: zipfile.ZipFile) -> None:
    """Raise ModelRefused unless every entry is an ordinary file or folder, and they fill the file without a gap."""
    entries = opened.infolist()
    if len(entries) != check_end(file):
        raise ModelRefused(f"It says it has another number of entries than the {len(entries)} that it lists.", AGAIN)
    for entry in entries:
        _check_name(entry)
        _check_kind(entry)
    _check_distinct([entry.filename for entry in entries])
    size = file.seek(0, 2)
    inflated, most = sum(entry.file_size for entry in entries), MOST_INFLATED + MOST_TIMES * size
    if inflated > most:
        raise ModelRefused(
            f"Its {size:,} bytes would inflate to {inflated:,}, and {most:,} at most are allowed: weights hardly shrink.",
            "Do not use it.",
        )
    position = 0
    for entry in sorted(entries, key=lambda entry: entry.header_offset):
        if entry.header_offset != position:
            raise ModelRefused(f"There are bytes before {short(entry.filename)} that belong to no entry.", AGAIN)
        position = _end_of(file, entry)
    if position != opened.start_dir:
        raise ModelRefused("There are bytes behind the last entry that belong to none.", AGAIN)


def _check_name(entry: zipfile.ZipInfo) -> None:
    name = entry.orig_filename
    parts = name.removesuffix("/").split("/")
    safe = not _UNSAFE.search(name) and harmless(name) == name and not {"", ".", ".."} & set(parts)
    if not safe or name != entry.filename or len(name.encode()) > LONGEST_NAME:
        raise ModelRefused(
            f"It has an entry called {short(name)}, which is no plain path inside of an archive.",
            AGAIN,
        )


def _check_kind(entry: zipfile.ZipInfo) -> None:
    name, kind = short(entry.filename), stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFDIR if entry.is_dir() else stat.S_IFREG):
        raise ModelRefused(f"{name} is a link or a device, and only files and folders are allowed.", AGAIN)
    if entry.flag_bits & ~_FLAGS:
        raise ModelRefused(f"{name} is encrypted, or packed in a way that only streams need.", AGAIN)
    if entry.compress_type not in _METHODS:
        raise ModelRefused(f"{name} is packed by method {entry.compress_type}, expected stored or deflated.", AGAIN)
    if entry.is_dir() and entry.file_size:
        raise ModelRefused(f"{name} is a folder with content.", AGAIN)
    if entry.compress_type == zipfile.ZIP_STORED and entry.compress_size != entry.file_size:
        raise ModelRefused(f"{name} is stored as it is, but has two sizes.", AGAIN)


def _check_distinct(names: Sequence[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ModelRefused(f"It has two entries called {short(name)}.", AGAIN)
        seen.add(name)
    for name in names:
        for parent in PurePosixPath(name).parents:
            if str(parent) in seen:
                raise ModelRefused(f"{short(str(parent))} is a file, and a folder of {short(name)}.", AGAIN)


def _end_of(file: BinaryIO, entry: zipfile.ZipInfo) -> int:
    """Where an entry ends in the file. Raises ModelRefused if its local header does not say what the table says."""
    file.seek(entry.header_offset)
    header = file.read(_LOCAL.size)
    if len(header) != _LOCAL.size or header[:4] != b"PK\3\4":
        raise ModelRefused(f"{short(entry.filename)} has no header where the table says.", AGAIN)
    _, _, flags, method, _, _, crc, packed, size, name_length, extra_length = _LOCAL.unpack(header)
    name, extra = file.read(name_length), file.read(extra_length)
    if _FULL_32 in (packed, size):
        size, packed = _large(extra, size, packed)
    said = (name.decode("utf-8" if flags & 0x800 else "cp437", "replace"), flags, method, crc, packed, size)
    listed = entry.orig_filename, entry.flag_bits, entry.compress_type, entry.CRC, entry.compress_size, entry.file_size
    if said != listed:
        raise ModelRefused(f"The header of {short(entry.filename)} says something else than the table.", AGAIN)
    return entry.header_offset + _LOCAL.size + int(name_length) + int(extra_length) + entry.compress_size


def _large(extra: bytes, size: int, packed: int) -> tuple[int, int]:
    """The two sizes in the ZIP64 field of a local header, for those that are full there; in this order."""
    while len(extra) >= 4:
        kind, length = struct.unpack("<2H", extra[:4])
        if kind == 1:
            numbers = iter(
                struct.unpack(f"<{length // 8}Q", extra[4 : 4 + length // 8 * 8].ljust(length // 8 * 8, b"\0"))
            )
            return tuple(next(numbers, it) if it == _FULL_32 else it for it in (size, packed))  # type: ignore[return-value]
        extra = extra[4 + length :]
    return size, packed
