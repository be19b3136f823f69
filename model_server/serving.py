"""What one request carries in and what one answer says: no torch, no TorchServe."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

TOP = 3


class Context(Protocol):
    """What the handler uses of `ts.context.Context`."""

    @property
    def system_properties(self) -> Mapping[str, object]:
        """`model_dir`, the folder of the unpacked archive, and `gpu_id`, a number or None, among others."""

    @property
    def model_yaml_config(self) -> Mapping[str, object]:
        """The content of model-config.yaml."""

    def set_response_status(self, code: int, phrase: str, idx: int) -> None:
        """The HTTP status of one answer in the inference batch."""

    def set_response_content_type(self, idx: int, value: str) -> None:
        """The content type of one answer in the inference batch."""


@dataclass(frozen=True)
class Refusal:
    """Why the model cannot look at an image: the image's fault, a 4xx."""

    code: Literal["empty", "unsupported_format", "unreadable", "too_many_pixels"]
    error: str

    @property
    def status(self) -> int:
        """400 for no image at all, 415 for another kind of file, 422 for an image that cannot be read."""
        return {"empty": 400, "unsupported_format": 415}.get(self.code, 422)


def image_bytes(request: Mapping[str, object]) -> bytes:
    """The image in one TorchServe request: the raw body, or the form field `data` or `body`; empty where none is.

    TorchServe decodes bodies that are declared as text or JSON; they come back as bytes, to be refused as such.
    """
    value = request.get("data") or request.get("body") or b""
    if isinstance(value, bytes | bytearray):
        return bytes(value)
    return (value if isinstance(value, str) else json.dumps(value)).encode()


def best_classes(classes: Sequence[str], probabilities: Sequence[float]) -> list[dict[str, object]]:
    """The three most likely classes, best first; of equally likely ones, the earlier in the model's order first."""
    order = sorted(range(len(classes)), key=lambda index: -probabilities[index])
    return [{"label": classes[index], "probability": probabilities[index]} for index in order[:TOP]]


def doubt(best: float, threshold: float, target_accuracy: float) -> str | None:
    """Why an answer should not be trusted, in a sentence; None where it reaches the threshold."""
    if best >= threshold:
        return None
    return (
        f"The best class has probability {best:.3f}, under {threshold:.3f}: "
        f"only above it was this model right at least {target_accuracy:.0%} of the time."
    )
