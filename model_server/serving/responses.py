"""What a response says about an image: its classes, or why it is rejected."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from inference.images.reading import UnreadableImage

STATUSES = {"empty": 400, "unsupported_format": 415}
UNREADABLE = 422  # every other rejection: an image, but one that cannot be read
NO_IMAGE = "There is no image. Send it as the body, or as a form field."


def rejection_status(rejection: UnreadableImage) -> int:
    """400 for no image at all, 415 for another kind of file, 422 for an image that cannot be read."""
    return STATUSES.get(rejection.code, UNREADABLE)


def rejection_document(rejection: UnreadableImage) -> dict[str, Any]:
    """A rejection as JSON."""
    return {"code": rejection.code, "error": NO_IMAGE if rejection.code == "empty" else rejection.reason}


def best_classes(classes: Sequence[str], probabilities: Sequence[float], top_k: int) -> list[dict[str, object]]:
    """The most likely classes, best first; of equally likely ones, the earlier in the model's order first."""
    order = sorted(range(len(classes)), key=lambda index: -probabilities[index])
    return [{"label": classes[index], "probability": probabilities[index]} for index in order[:top_k]]


def doubt(best: float, threshold: float, target_accuracy: float) -> str | None:
    """Why a prediction should not be trusted, in a sentence; None if it reaches the threshold."""
    if best >= threshold:
        return None
    return (
        f"The best class has probability {best:.3f}, under {threshold:.3f}: "
        f"only above it was this model right at least {target_accuracy:.0%} of the time."
    )
