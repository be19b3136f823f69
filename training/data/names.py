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
