"""Golden pictures: small pictures in the archive, with the logits of the packaged network, which an engine must give again."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from inference.archive.model_file import ModelRefused
from inference.images.pixels import EvalTransform, Pixels, model_input
from inference.images.reading import UnreadableImage

GOLDEN_FILE = "golden.json"
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
    try:
        documents = json.loads((folder / GOLDEN_FILE).read_text(encoding="utf-8"))["pictures"]
        pictures = tuple(
            GoldenPicture(model_input(base64.b64decode(it["image"]), transform), np.asarray(it["logits"], np.float32))
            for it in documents
        )
    except FileNotFoundError as error:
        raise ModelRefused(f"The archive holds no {GOLDEN_FILE}. Package the model again.") from error
    except (KeyError, TypeError, ValueError, UnreadableImage) as error:
        raise ModelRefused(f"{GOLDEN_FILE} holds no golden pictures ({error}). Package the model again.") from error
    if not pictures or any(picture.logits.shape != (class_count,) for picture in pictures):
        raise ModelRefused(f"{GOLDEN_FILE} must hold {class_count} logits for each picture. Package the model again.")
    return pictures


def disagreement(found: np.typing.NDArray[np.float32], golden: tuple[GoldenPicture, ...], engine: str) -> str | None:
    """Why logits (N, C) are not the golden ones, in a sentence; None if they are, except for rounding."""
    expected = np.stack([picture.logits for picture in golden])
    if found.shape != expected.shape:
        return f"it answers {found.shape[-1]} numbers for {expected.shape[1]} classes."
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
