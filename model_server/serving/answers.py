"""What an answer says: no torch, no TorchServe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol


class Metrics(Protocol):
    """What the handler uses of TorchServe's metrics."""

    def get_metric(self, metric_name: str, metric_type: Any) -> Any:  # noqa: ANN401 (TorchServe's own, untyped)
        """A metric of metrics.yaml."""


class Context(Protocol):
    """What the handler uses of `ts.context.Context`."""

    @property
    def system_properties(self) -> Mapping[str, object]:
        """`model_dir`, the folder of the unpacked archive, and `gpu_id`, a number or None, among others."""

    @property
    def model_yaml_config(self) -> Mapping[str, object]:
        """The content of model-config.yaml."""

    @property
    def metrics(self) -> Metrics | None:
        """Those of metrics.yaml; None where TorchServe was given none."""

    def get_request_header(self, idx: int, key: str) -> str | None:
        """A header of one request in the inference batch, by its name as it was sent; `explain` is TorchServe's own."""

    def get_all_request_header(self, idx: int) -> Mapping[str, object]:
        """All of them; of a form, also the headers of each field under its name."""

    def set_response_status(self, code: int, phrase: str, idx: int) -> None:
        """The HTTP status of one answer in the inference batch."""

    def set_response_header(self, idx: int, key: str, value: str) -> None:
        """A header of one answer in the inference batch."""


@dataclass(frozen=True)
class Refusal:
    """Why the model cannot look at an image: the image's fault, a 4xx."""

    code: Literal["empty", "unsupported_format", "unreadable", "too_many_pixels", "too_slow"]
    error: str

    @property
    def status(self) -> int:
        """400 for no image at all, 415 for another kind of file, 422 for an image that cannot be read."""
        return {"empty": 400, "unsupported_format": 415}.get(self.code, 422)

    @property
    def document(self) -> dict[str, Any]:
        """As JSON says it."""
        return {"code": self.code, "error": self.error}


def best_classes(classes: Sequence[str], probabilities: Sequence[float], top_k: int) -> list[dict[str, object]]:
    """The most likely classes, best first; of equally likely ones, the earlier in the model's order first."""
    order = sorted(range(len(classes)), key=lambda index: -probabilities[index])
    return [{"label": classes[index], "probability": probabilities[index]} for index in order[:top_k]]


def doubt(best: float, threshold: float, target_accuracy: float) -> str | None:
    """Why an answer should not be trusted, in a sentence; None where it reaches the threshold."""
    if best >= threshold:
        return None
    return (
        f"The best class has probability {best:.3f}, under {threshold:.3f}: "
        f"only above it was this model right at least {target_accuracy:.0%} of the time."
    )
