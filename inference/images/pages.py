"""Which page of a TIFF is the picture: not a small copy of it that some programs and cameras store first."""

from __future__ import annotations

from inference.images.tags import first_directory, next_directory, starting_at, tiff_numbers

_NEW_SUBFILE, _SUBFILE, _SUB_DIRECTORIES = 254, 255, 330  # TIFF 6.0; the last one: technical note 1
_REDUCED, _OLD_REDUCED = 1, 2
_SEEN = 100  # pages, and directories within one


def full_page_first(data: bytes) -> bytes:
    """The TIFF as if its first page that is not marked as a reduced copy came first; the very bytes if there is none.

    After the pages themselves come those that the first one holds. No bytes raise anything.
    """
    first = place = first_directory(data)
    if not _is_reduced(data, first):
        return data
    others = tiff_numbers(data, (_SUB_DIRECTORIES,), at_most=_SEEN)[_SUB_DIRECTORIES]
    pages: list[int] = []
    while (place := next_directory(data, place)) and len(pages) < _SEEN:
        pages.append(place)
    full = (place for place in [*pages, *others] if not _is_reduced(data, place))
    return starting_at(data, next(full, first))


def _is_reduced(data: bytes, directory: int) -> bool:
    numbers = tiff_numbers(data, (_NEW_SUBFILE, _SUBFILE), at_most=1, directory=directory)
    return any(it & _REDUCED for it in numbers[_NEW_SUBFILE]) or _OLD_REDUCED in numbers[_SUBFILE]
