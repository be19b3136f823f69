"""The network of an archive: timm's own, or one of those that timm lacks, in timm's words."""

from __future__ import annotations

from pathlib import Path

import timm
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

import inference.networks  # noqa: F401 - makes its models known to timm
from inference.archive.digest import file_sha256, matches_sha256
from inference.archive.model_file import ModelFile, ModelRefused


def load_network(folder: Path, model: ModelFile, device: torch.device) -> nn.Module:
    """The network of an unpacked archive, with its weights, in channels_last, ready to answer.

    Raises ModelRefused if the weights are missing, are not those that model.json names, or do not fit.
    """
    weights = folder / model.weights_file
    if not weights.is_file():
        raise ModelRefused(f"The archive holds no {model.weights_file}. Package the model again.")
    if not matches_sha256(weights, model.weights_sha256):
        raise ModelRefused(
            f"{model.weights_file} has SHA-256 {file_sha256(weights)}, model.json names {model.weights_sha256}: "
            "one of them was changed after packaging. Package the model again."
        )
    network = _network_with(weights, model)
    return network.eval().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def _network_with(weights: Path, model: ModelFile) -> nn.Module:
    if not timm.is_model(model.architecture):  # also keeps out names that would be fetched, such as hf-hub:...
        raise ModelRefused(f"timm {timm.__version__} knows no architecture {model.architecture!r}.")
    try:
        network: nn.Module = timm.create_model(
            model.architecture, pretrained=False, num_classes=len(model.classes), **model.model_args
        )
        network.load_state_dict(load_file(weights), strict=True)
    except (RuntimeError, TypeError, SafetensorError) as error:
        raise ModelRefused(
            f"The weights do not make a {model.architecture} with {len(model.classes)} classes: "
            f"{' '.join(str(error).split())}"
        ) from error
    return network
