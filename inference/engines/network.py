"""The network of an archive: timm's own, or one of those that timm lacks, in timm's words.

model.json -> an outline without numbers -> the weights' file is checked against it -> network
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from itertools import islice
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

from inference.archive.errors import AGAIN, ModelRefused, short
from inference.archive.model_file import ModelFile
from inference.engines.weights import check_weights
from inference.networks.making import make_network

MOST_PARTS = 20_000  # modules and parameters; timm's largest network has 4,373 (resnetrs420)
MOST_TRIED = 8  # arguments, to find the one that is to blame: each costs a network
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
    height, width = model.preprocessing["input_size"][-2:]
    try:
        numbers = _numbers_from(network, model, torch.device("cpu"))
    except NETWORK_ERRORS as error:
        raise _misfit(
            model.architecture,
            model.model_args,
            f"cannot take a picture of {height} x {width}, its own size",
            partial(_answers, model),
        ) from error
    if numbers != len(model.classes):
        raise _misfit(
            model.architecture,
            model.model_args,
            f"does not answer with {len(model.classes)} numbers, one for each class",
            partial(_answers, model),
        )


def outline(model: ModelFile) -> nn.Module:
    """The network that a record describes, without numbers (on torch's device `meta`). Raises ModelRefused if there is none."""
    return outline_of(model.architecture, model.model_args, len(model.classes))


def outline_of(architecture: str, model_args: Mapping[str, Any], class_count: int) -> nn.Module:
    """As `outline`, of a network for which there is no record yet."""
    if not timm.is_model(architecture):
        raise ModelRefused(f"timm {timm.__version__} knows no architecture {short(architecture)}.", AGAIN)
    given = f"{architecture} with model_args = {short(model_args)}"

    def made(arguments: Mapping[str, Any]) -> nn.Module:
        with torch.device("meta"), bounded_parts():
            return _created(architecture, arguments, class_count)

    try:
        network = made(model_args)
    except _TooManyParts as error:
        raise ModelRefused(f"{given} has more than {MOST_PARTS:,} layers and parameters.", AGAIN) from error
    except NETWORK_ERRORS as error:
        raise _misfit(architecture, model_args, "cannot be made", made) from error
    beside = sum(buffer.nbytes for buffer in network.buffers())
    if beside > MOST_BUFFERS:
        raise ModelRefused(
            f"{given} takes {beside / 2**30:,.1f} GiB beside its weights, at most {MOST_BUFFERS / 2**30:g} GiB are allowed.",
            AGAIN,
        )
    return network


def _created(architecture: str, model_args: Mapping[str, Any], class_count: int) -> nn.Module:
    return make_network(architecture, pretrained=False, num_classes=class_count, **model_args)


def _numbers_from(network: nn.Module, model: ModelFile, device: torch.device) -> int | None:
    """How many numbers the network answers a picture with; None if its answer is of another kind."""
    with torch.inference_mode():
        answer = network(torch.zeros(1, *model.preprocessing["input_size"], device=device))
    return answer.shape[1] if isinstance(answer, torch.Tensor) and answer.ndim == 2 and len(answer) == 1 else None


def _answers(model: ModelFile, model_args: Mapping[str, Any]) -> None:
    """Raises one of NETWORK_ERRORS unless the network of a record answers, with these arguments, as far as shapes tell."""
    with torch.device("meta"), bounded_parts():
        network = _created(model.architecture, model_args, len(model.classes))
    if _numbers_from(network.eval(), model, torch.device("meta")) != len(model.classes):
        raise ValueError("another number of numbers")


def _misfit(
    architecture: str, model_args: Mapping[str, Any], what: str, succeeds: Callable[[Mapping[str, Any]], object]
) -> ModelRefused:
    """The refusal of a network that fails in `what`; it names the argument without which that `succeeds`."""
    for name, value in islice(model_args.items(), MOST_TRIED):
        rest = {other: it for other, it in model_args.items() if other != name}
        with suppress(*NETWORK_ERRORS):
            succeeds(rest)
            return ModelRefused(f"model_args do not fit {architecture}: with {name} = {short(value)} it {what}.", AGAIN)
    with suppress(*NETWORK_ERRORS):
        succeeds({})
        return ModelRefused(f"model_args do not fit {architecture}: with {short(model_args)} it {what}.", AGAIN)
    return ModelRefused(f"{architecture} with model_args = {short(model_args)} {what}.", AGAIN)


def why_not_made(error: Exception, given: str = "them") -> str:
    """Why timm or torch did not take what was `given`, for a sentence: their message, if it was written for people.

    What Python says of a wrong call or a missing attribute is about their functions, which nobody named.
    """
    if isinstance(error, NOT_FOR_PEOPLE):
        return f"timm's code does not take {given}"
    return short(" ".join(str(error).split()).rstrip(".") or type(error).__name__)


class _TooManyParts(ValueError):
    """A network of more parts than any has."""


@contextmanager
def bounded_parts() -> Iterator[None]:
    """Raise ValueError in this block for a network of more parts than any has: to make it would take hours."""
    parts = 0

    def count(*_: object) -> None:
        nonlocal parts
        parts += 1
        if parts > MOST_PARTS:
            raise _TooManyParts(f"it has more than {MOST_PARTS:,} layers and parameters")

    hooks = [register_module_module_registration_hook(count), register_module_parameter_registration_hook(count)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
