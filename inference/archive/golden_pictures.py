"""Golden pictures: small pictures in the archive, with the logits of the packaged network, which an engine must give again."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from inference.archive.documents import Document, is_number, read_at_most
from inference.archive.errors import AGAIN, ModelRefused
from inference.images.pixels import EvalTransform, Pixels, model_input
from inference.images.reading import UnreadableImage

GOLDEN_FILE = "golden.json"
MOST_PICTURES = 16  # training makes three
MOST_PIXELS = 1_000_000  # of one of them; training's have 12,288
LARGEST_LOGIT = 1e15  # float32 holds its square, of which the spread is made
# How far logits may be off, as a share of their own spread over the classes: rounding, not another network.
# Measured in bf16: up to 0.22 (MobileNetV2); swapped colours are off by 0.9 and more, unnormalised pixels by 1.5 and more.
TOLERANCE = {"fp32": 0.01, "bf16": 0.35, "int8": 0.6}


@dataclass(frozen=True)
class GoldenPicture:
    """One picture as the model sees it, (H, W, 3) uint8, and its logits (C,), float32."""

    pixels: Pixels
    logits: np.typing.NDArray[np.float32]


def read_golden(folder: Path, transform: EvalTransform, class_count: int) -> tuple[GoldenPicture, ...]:
    """The golden pictures of an unpacked archive, read like any picture. Raises ModelRefused if there are none."""
    document = Document.parsed(read_at_most(folder / GOLDEN_FILE), GOLDEN_FILE)
    entries = document.field("pictures", list)
    if not 1 <= len(entries) <= MOST_PICTURES:
        raise document.wrong("pictures", f"1 to {MOST_PICTURES} golden pictures")
    parts = (Document(entry, f"{GOLDEN_FILE}: pictures[{number}]") for number, entry in enumerate(entries))
    return tuple(_picture(part, transform, class_count) for part in parts)


def _picture(part: Document, transform: EvalTransform, class_count: int) -> GoldenPicture:
    logits = part.field("logits", list)
    if len(logits) != class_count or not all(is_number(it, -LARGEST_LOGIT, LARGEST_LOGIT) for it in logits):
        raise part.wrong("logits", f"{class_count} numbers up to {LARGEST_LOGIT:.0e}, one for each class")
    try:
        image = base64.b64decode(part.field("image", str), validate=True)
        return GoldenPicture(
            model_input(image, transform, max_pixels=MOST_PIXELS), np.asarray(logits, dtype=np.float32)
        )
    except (ValueError, UnreadableImage) as error:
        raise ModelRefused(f"{part.name}.image is no picture ({error}).", AGAIN) from error


def disagreement(found: np.typing.NDArray[np.float32], golden: tuple[GoldenPicture, ...], engine: str) -> str | None:
    """Why logits (N, C) are not the golden ones, in a sentence; None if they are, except for rounding."""
    expected = np.stack([picture.logits for picture in golden])
    if found.shape != expected.shape:
        return f"it answers with {found.shape} numbers, expected {expected.shape}: one for each class of each picture."
    if not np.isfinite(found).all():
        return "it answers with numbers that are not finite."
    # One class has no spread, and classes that tie have little: then rounding is a share of the logits themselves.
    spread = max(float(expected.std(axis=1).max()), float(np.abs(expected).max()) / 10, 1e-6)
    off = float(np.abs(found - expected).max()) / spread
    allowed = TOLERANCE[engine.rpartition("-")[2]]
    if off > allowed:
        return (
            f"its golden predictions are off by {off:.3f} of the logits' spread, {allowed:g} is allowed for rounding."
        )
    return None
