"""The sentence about a name that is no setting."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from training.sentences import short

LONGEST = 200  # characters that are compared
CLASS_COUNTS = ("num_classes", "nc", "classes")  # what others call the number that the data decides
OTHER_NAMES = {
    "learning_rate": "lr",
    "bs": "batch_size",
    "weights": "pretrained",
    "arch": "model",
    "size": "image_size",
}


def no_setting(name: str, known: Iterable[str]) -> str:
    """The sentence about a name that is no setting; it offers the nearest name."""
    plain = name.replace("-", "_")[:LONGEST]
    if plain in CLASS_COUNTS:
        return f"there is no setting {name!r}: the data says which classes there are."
    near = OTHER_NAMES.get(plain) or next(iter(difflib.get_close_matches(plain, list(known), n=1, cutoff=0.7)), None)
    return f"there is no setting {short(name)}." + (f" Did you mean {near!r}?" if near else "")
