"""The numbers in a TIFF's directories, read without decoding anything and without believing them."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from contextlib import suppress

# A TIFF's types by struct's letter for an integer of their size.
_LETTERS = dict.fromkeys((1, 2, 6, 7), "B") | dict.fromkeys((3, 8), "H") | dict.fromkeys((4, 9, 11, 13), "I")
_LETTERS |= dict.fromkeys((5, 10, 12, 16, 17, 18), "Q")


def tiff_numbers(
    data: bytes, tags: Iterable[int], *, at_most: int, directory: int | None = None
) -> dict[int, list[int]]:
    """The numbers under each of `tags`, a few more than `at_most` of one; those that the file is too short for are missing.

    Of the first directory, if none is given by its place. Fractions and floats are the integers of their bits. No bytes
    raise anything.
    """
    order, pointer, counter, entry = _structs(data)
    numbers: dict[int, list[int]] = {tag: [] for tag in tags}
    start = first_directory(data) if directory is None else directory
    with suppress(struct.error):  # the directory is cut short
        (entries,) = counter.unpack_from(data, min(start, len(data)))
        for n in range(entries):
            tag, kind, amount, value = entry.unpack_from(data, start + counter.size + n * entry.size)
            if tag in numbers and kind in _LETTERS and len(numbers[tag]) <= at_most:
                number = struct.Struct(order + _LETTERS[kind])
                if amount * number.size > len(value):
                    (place,) = pointer.unpack(value)
                    value = data[place : place + (at_most + 1) * number.size]
                some = min(amount, len(value) // number.size)
                numbers[tag] += (it for (it,) in number.iter_unpack(value[: some * number.size]))
    return numbers


def first_directory(data: bytes) -> int:
    """Where it begins; behind the end if the file is too short to say so."""
    _, pointer, _, _ = _structs(data)
    with suppress(struct.error):
        (place,) = pointer.unpack_from(data, pointer.size)
        return int(place)
    return len(data)


def next_directory(data: bytes, directory: int) -> int:
    """Where the one after it begins; 0 if it is the last one or cut short."""
    _, pointer, counter, entry = _structs(data)
    with suppress(struct.error):
        (entries,) = counter.unpack_from(data, min(directory, len(data)))
        (place,) = pointer.unpack_from(data, min(directory + counter.size + entries * entry.size, len(data)))
        return int(place)
    return 0


def starting_at(data: bytes, directory: int) -> bytes:
    """The same file with another directory as its first one."""
    _, pointer, _, _ = _structs(data)
    return data[: pointer.size] + pointer.pack(directory) + data[2 * pointer.size :]


def _structs(data: bytes) -> tuple[str, struct.Struct, struct.Struct, struct.Struct]:
    """The byte order; and a place in the file, the number of entries and one entry, as this file stores them."""
    order, is_big = "<" if data[:2] == b"II" else ">", b"+" in data[2:4]
    pointer, counter = (struct.Struct(order + letter) for letter in ("QQ" if is_big else "IH"))
    return order, pointer, counter, struct.Struct(order + ("HHQ8s" if is_big else "HHI4s"))
