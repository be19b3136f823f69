"""The numbers in a TIFF's first directory, read without decoding anything and without believing them."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from contextlib import suppress

# A TIFF's types by struct's letter for an integer of their size.
_LETTERS = dict.fromkeys((1, 2, 6, 7), "B") | dict.fromkeys((3, 8), "H") | dict.fromkeys((4, 9, 11, 13), "I")
_LETTERS |= dict.fromkeys((5, 10, 12, 16, 17, 18), "Q")


def tiff_numbers(data: bytes, tags: Iterable[int], *, at_most: int) -> dict[int, list[int]]:
    """The numbers under each of `tags`, a few more than `at_most` of one; those that the file is too short for are missing.

    Fractions and floats are the integers of their bits. No bytes raise anything.
    """
    order, is_big = "<" if data[:2] == b"II" else ">", b"+" in data[2:4]
    pointer, counter = (struct.Struct(order + letter) for letter in ("QQ" if is_big else "IH"))
    entry = struct.Struct(order + ("HHQ8s" if is_big else "HHI4s"))
    numbers: dict[int, list[int]] = {tag: [] for tag in tags}
    with suppress(struct.error):  # the directory is cut short
        (start,) = pointer.unpack_from(data, 8 if is_big else 4)
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
