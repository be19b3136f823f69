"""Names of classes: they become labels, which people read and files hold."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from training.errors import WrongInput


def is_text(name: str) -> bool:
    """Whether it is valid Unicode; Python keeps bytes that are no UTF-8 as lone surrogates."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_distinct(where: object, classes: Iterable[str]) -> None:
    """WrongInput if two names differ only in how Unicode writes their letters: their labels would look the same."""
    first: dict[str, str] = {}
    for name in classes:
        other = first.setdefault(unicodedata.normalize("NFC", name), name)
        if other != name:
            raise WrongInput(
                f"{where} has two classes that read alike, {other!a} and {name!a}: the same letters in other bytes."
                " Give both the same name."
            )


def nearly_equal(classes: Iterable[str]) -> list[str]:
    """A sentence for each two names that differ only in capitals, spaces at their ends or marks without width; photos stay apart."""
    first: dict[str, str] = {}
    pairs = [(first.setdefault(_with_width(name).strip().casefold(), name), name) for name in classes]
    return [
        f"the classes {one!r} and {other!r} differ only in {_difference(one, other)}: they are learnt as two, and a disk that"
        " ignores capitals has one folder for both. Give both the same name if they are one"
        for one, other in pairs
        if one != other
    ]


def _with_width(name: str) -> str:
    """The name without what is not seen, as the joiners and marks of direction."""
    return "".join(letter for letter in name if unicodedata.category(letter) != "Cf")


def _difference(one: str, other: str) -> str:
    plain = _with_width(one) == one and _with_width(other) == other
    return "capitals or spaces" if plain else "marks that take no room"
