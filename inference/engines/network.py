"""The network of an archive: timm's own, or one of those that timm lacks, in timm's words.

model.json -> an outline without numbers -> the weights' file is checked against it -> network
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import timm
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn.modules.module import (
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
)

import inference.networks  # noqa: F401 - makes its models known to timm
from inference.archive.errors import AGAIN, ModelRefused, short
from inference.archive.model_file import ModelFile
from inference.engines.weights import check_weights

MOST_PARTS = 20_000  # modules and parameters; timm's largest network has 4,373 (resnetrs420)
MOST_BUFFERS = 2**30  # bytes beside the weights; timm's largest network has 202 MB (beit_large_patch16_512)
# What the code of timm and torch raises over arguments and shapes that it does not expect.
NETWORK_ERRORS = (
    RuntimeError, TypeError, ValueError, AssertionError, AttributeError, LookupError, ArithmeticError, MemoryError,
)  # fmt: skip
NOT_FOR_PEOPLE = (TypeError, AttributeError, LookupError, ArithmeticError)


def load_network(folder: Path, model: ModelFile, device: torch.device) -> nn.Module:
    """The network of an unpacked archive, with its weights, in channels_last, ready to answer.

    Raises ModelRefused if the weights are missing, are not those that model.json names, or do not fit.
    """
    network = network_with(folder / model.weights_file, model)
    return network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def network_with(weights: Path, model: ModelFile) -> nn.Module:
    """The network that a record describes, with the weights in a safetensors file, in eval mode, on the CPU.

    Nothing is fetched or unpickled, and memory is taken only for what the file holds. Raises ModelRefused if the file is
    missing, is not the one that the record names, or does not hold the very tensors of this network.
    """
    check_weights(weights, outline(model), model)
    network = _created(model.architecture, model.model_args, len(model.classes))
    network.load_state_dict(load_file(weights), strict=False)  # strictly checked above; of tied tensors one is enough
    return network.eval()


def check_answer(network: nn.Module, model: ModelFile) -> None:
    """Raise ModelRefused unless the network answers a picture of its preprocessing's size with a number for each class."""
    with torch.inference_mode():
        try:
            answer = network(torch.zeros(1, *model.preprocessing["input_size"]))
        except NETWORK_ERRORS as error:
            raise ModelRefused(f"The network cannot take its own input: {why_not_made(error, 'it')}.", AGAIN) from error
    if not isinstance(answer, torch.Tensor) or answer.shape != (1, len(model.classes)):
        raise ModelRefused(f"The network does not answer with {len(model.classes)} numbers, one for each class.", AGAIN)


def outline(model: ModelFile) -> nn.Module:
    """The network that a record describes, without numbers (on torch's device `meta`). Raises ModelRefused if there is none."""
    return outline_of(model.architecture, model.model_args, len(model.classes))


def outline_of(architecture: str, model_args: Mapping[str, Any], class_count: int) -> nn.Module:
    """As `outline`, of a network for which there is no record yet."""
    if not timm.is_model(architecture):
        raise ModelRefused(f"timm {timm.__version__} knows no architecture {short(architecture)}.", AGAIN)
    try:
        with torch.device("meta"), _bounded(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Initializing zero-element tensors")  # the weights' reader refuses them
            network = _created(architecture, model_args, class_count)
    except NETWORK_ERRORS as error:
        raise ModelRefused(
            f"There is no {architecture} with model_args = {short(model_args)}: {why_not_made(error)}.",
            AGAIN,
        ) from error
    beside = sum(buffer.nbytes for buffer in network.buffers())
    if beside > MOST_BUFFERS:
        raise ModelRefused(
            f"{architecture} with model_args = {short(model_args)} takes {beside / 2**30:,.1f} GiB beside its "
            f"weights, at most {MOST_BUFFERS / 2**30:g} GiB are allowed.",
            AGAIN,
        )
    return network


def _created(architecture: str, model_args: Mapping[str, Any], class_count: int) -> nn.Module:
    network: nn.Module = timm.create_model(architecture, pretrained=False, num_classes=class_count, **model_args)
    return network


def why_not_made(error: Exception, given: str = "them") -> str:
    """Why timm or torch did not take what was `given`, for a sentence: their message, if it was written for people.

    What Python says of a wrong call or a missing attribute is about their functions, which nobody named.
    """
    if isinstance(error, NOT_FOR_PEOPLE):
        return f"timm's code does not take {given}"
    return short(" ".join(str(error).split()).rstrip(".") or type(error).__name__)


@contextmanager
def _bounded() -> Iterator[None]:
    """Raise MemoryError in this block for a network of more parts than any has: to make it would take hours."""
    parts = 0

    def count(*_: object) -> None:
        nonlocal parts
        parts += 1
        if parts > MOST_PARTS:
            raise MemoryError(f"it has more than {MOST_PARTS:,} layers and parameters")

    hooks = [register_module_module_registration_hook(count), register_module_parameter_registration_hook(count)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
