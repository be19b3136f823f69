"""What an answer says about a picture: its most likely classes, and why they should not be trusted."""

from __future__ import annotations

from collections.abc import Sequence


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
