"""Class names that an archive may hold: the one rule for a training's folders and manifests, and for who reads archives."""

from __future__ import annotations

from collections.abc import Sequence

from inference.archive.documents import is_text
from inference.archive.errors import short

MOST = 50_000  # classes
LONGEST = 256  # characters; a folder's name has at most 255 bytes
MOST_BYTES = 2 * 2**20  # of all of them


def check_labels(labels: Sequence[object]) -> None:
    """Raise ValueError, with a sentence, unless these are class names, each of them once.

    What steers a terminal or hides may be in them: `inference.harmless` shows it.
    """
    if not 1 <= len(labels) <= MOST:
        raise ValueError(f"there are {len(labels):,} classes, expected at least one, and {MOST:,} at most.")
    seen: set[str] = set()
    for label in labels:
        if not isinstance(label, str) or not 1 <= len(label) <= LONGEST or label.isspace():
            raise ValueError(f"the class name {short(label)} should have 1 to {LONGEST} characters.")
        if not is_text(label):
            raise ValueError(f"the class name {short(label)} holds half a character, which is no text.")
        if label in seen:
            raise ValueError(f"the class name {short(label)} is there twice, expected each of them once.")
        seen.add(label)
    if (size := sum(len(label.encode()) for label in seen)) > MOST_BYTES:
        raise ValueError(f"the {len(labels):,} class names have {size:,} bytes, at most {MOST_BYTES:,} are allowed.")
