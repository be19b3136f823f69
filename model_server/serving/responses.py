"""What a response says about an image that is rejected."""

from __future__ import annotations

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
