"""What the handler uses of TorchServe: the types of what it is handed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class MetricsCache(Protocol):
    """TorchServe's metrics, those that metrics.yaml names."""

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
    def metrics(self) -> MetricsCache | None:
        """Those of metrics.yaml; None if TorchServe was given none."""

    def get_all_request_header(self, idx: int) -> Mapping[str, object]:
        """The headers of one request in the inference batch, by their names as sent, and TorchServe's own, `explain`.

        Of a form, also the headers of each field under its name.
        """

    def set_response_status(self, code: int, phrase: str, idx: int) -> None:
        """The HTTP status of one response in the inference batch."""

    def set_response_header(self, idx: int, key: str, value: str) -> None:
        """A header of one response in the inference batch."""
