"""A network's body: all of it but the layers whose outputs are the classes; and tensors of a file that are to fit it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from timm.models import adapt_input_conv
from torch import Tensor, nn

from training.errors import WrongInput


@dataclass(frozen=True)
class Body:
    """Names and shapes of a network without its head, as tensors without content."""

    tensors: Mapping[str, Tensor]  # parameters and buffers, in the network's order
    learnt: Mapping[str, int]  # how many numbers each parameter has
    heads: tuple[str, ...]  # what the names of the layers begin with that are no part of the body
    first: tuple[str, ...]  # the weights of the convolutions that see the image

    @classmethod
    def of(cls, network: nn.Module) -> Body:
        """The body of a network that timm made on the device `meta`."""
        facts: Mapping[str, object] = network.pretrained_cfg  # type: ignore[assignment]
        heads = tuple(f"{name}." for name in _names(facts.get("classifier")))
        tensors = {name: it for name, it in network.state_dict().items() if not name.startswith(heads)}
        learnt = {name: it.numel() for name, it in network.named_parameters() if name in tensors}
        return cls(tensors, learnt, heads, tuple(f"{name}.weight" for name in _names(facts.get("first_conv"))))

    @property
    def parts(self) -> set[str]:
        """The first words of its names."""
        return {name.partition(".")[0] for name in self.tensors}

    def is_more_of_it(self, name: str) -> bool:
        """Whether a name that it does not have is one more of its own parts, as a further block; not of a head."""
        part = name.partition(".")[0]
        return part in self.parts and part not in {head.partition(".")[0] for head in self.heads}


def check_tensors(path: Path, tensors: Mapping[str, Tensor], body: Body) -> None:
    """WrongInput, with the first name, for tensors of a file that cannot be weights of this body."""
    for name, tensor in tensors.items():
        if tensor.is_quantized or tensor.is_meta or tensor.layout != torch.strided or tensor.is_complex():
            raise WrongInput(f"{path}: {name} is no plain tensor of numbers. Save the weights as float32.")
        if name in body.learnt and not tensor.is_floating_point():
            kind = str(tensor.dtype).removeprefix("torch.")
            raise WrongInput(
                f"{path}: {name} holds {kind}, and weights are floating-point numbers. Quantised weights cannot be trained"
                " on: give those from before."
            )
        if tensor.is_floating_point() and not torch.isfinite(tensor.float()).all():
            raise WrongInput(
                f"{path}: {name} holds numbers that are not finite (NaN or infinity): the training that wrote it had failed."
                " Give another file."
            )


def adapt_channels(tensors: dict[str, Tensor], body: Body) -> Iterator[str]:
    """Change the first convolutions, in place, to as many input channels as the network has; a note for each."""
    for name in body.first:
        given, wanted = tensors.get(name), body.tensors.get(name)
        if given is None or wanted is None or given.ndim != 4 or given.shape == wanted.shape:
            continue
        have, want = given.shape[1], wanted.shape[1]
        if (given.shape[0], *given.shape[2:]) == (wanted.shape[0], *wanted.shape[2:]):
            tensors[name] = adapt_input_conv(want, given, base_chans=have)
            yield f"{name} was adapted from {have} to {want} input channels"


def misfit(tensors: Mapping[str, Tensor], body: Body) -> str | None:
    """The first tensor whose shape is not that of the network, in words."""
    for name, tensor in tensors.items():
        if name in body.tensors and tensor.shape != body.tensors[name].shape:
            return f"{name} is {tuple(tensor.shape)} there, and {tuple(body.tensors[name].shape)} in the network"
    return None


def _names(given: object) -> tuple[str, ...]:
    """timm writes one name, several, or none."""
    return (given,) if isinstance(given, str) else tuple(map(str, given)) if isinstance(given, list | tuple) else ()
