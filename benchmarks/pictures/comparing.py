"""What this project makes of a file, beside what two others make of it and what was stored in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from benchmarks.pictures.decoders import by_opencv, by_vips, ours
from benchmarks.pictures.kinds import Kind
from benchmarks.pictures.writing import Pixels
from inference.images.reading import UnreadableImage
from inference.images.tags import tiff_numbers

Outcome = Literal["as both", "as one", "as stored", "alone", "refused", "wrong"]
OUTCOMES: Sequence[Outcome] = ("as both", "as one", "as stored", "alone", "refused", "wrong")
SAMPLE_FORMAT, SIGNED = 339, 2  # a TIFF's tag
ALIKE = 3.0  # levels of 255, on the mean: rounding, chroma's interpolation; a garbled picture is tens away


class Compared(NamedTuple):
    """One file's outcome, and the sentence if it was refused."""

    outcome: Outcome
    refusal: str
    code: str
    others_agree: bool


def compare(data: bytes, stored: Pixels | None, alike: float = ALIKE) -> Compared:
    """Compare the three readings, and the picture that was stored if it is known.

    Wrong is a picture that is not the stored one, or, where that is not known, one that both others read otherwise.
    """
    found, vips, opencv = ours(data), by_vips(data), by_opencv(data)
    agree = any(near(one, other, alike) for one in vips for other in opencv)
    if isinstance(found, UnreadableImage):
        return Compared("refused", found.reason, found.code, agree)
    same = sum(any(near(found, pixels, alike) for pixels in other) for other in (vips, opencv))
    outcome: Outcome
    if stored is not None and not near(found, stored, alike):
        outcome = "wrong"
    elif same:
        outcome = "as both" if same == 2 else "as one"
    elif stored is not None:
        outcome = "as stored"
    else:
        outcome = "wrong" if agree and not _is_signed(data) else "alone"
    return Compared(outcome, "", "", agree)


def compare_damaged(data: bytes, kind: Kind) -> Outcome:
    """Compare the three readings of a damaged file of this kind.

    That both others read it otherwise proves nothing if they misread it undamaged, too, as a thumbnail before the picture.
    """
    outcome = compare(data, None).outcome
    if outcome == "wrong" and compare(kind.data, kind.stored, kind.alike).outcome == "as stored":
        return "alone"
    return outcome


def _is_signed(data: bytes) -> bool:
    """Whether a TIFF says that its numbers are signed: both others cut off what is below 0, and agree on that."""
    return data[:2] in (b"II", b"MM") and tiff_numbers(data, [SAMPLE_FORMAT], at_most=1)[SAMPLE_FORMAT][:1] == [SIGNED]


def near(one: Pixels, other: Pixels, alike: float = ALIKE) -> bool:
    """Whether two pictures have the same sides and, on the mean, the same levels."""
    return one.shape == other.shape and float(np.abs(one.astype(np.int16) - other).mean()) <= alike
