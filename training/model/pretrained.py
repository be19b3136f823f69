"""Pretrained weights in a new network, and how much of its body came from them.

hub -> timm; file -> tensors -> without prefixes -> timm, which knows older names -> what is missing and what is over
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import timm
import torch
from torch import nn

from inference.archive.digest import file_sha256
from inference.networks.making import make_network
from training.errors import TrainingError, WrongInput
from training.model.body import Body, adapt_channels, check_tensors, misfit
from training.model.hub import reached_once
from training.model.load_watch import Load, watched_load
from training.model.provenance import Pretrained, listed, printable
from training.model.weight_names import Named, are_others, other_names, without_prefix
from training.model.weights_file import find_weights, read_weights
from training.sentences import plural

# What timm's code for older names raises over other weights; torch raises RuntimeError over other shapes.
MISFITS = (RuntimeError, ValueError, TypeError, LookupError, AttributeError, AssertionError, ArithmeticError)
FEWEST = 10  # under a tenth of the parameters, names have met by chance, as `norm.weight`
ANYWAY = "or, to train with what fits, add pretrained_strict=false"


class OtherBody(WrongInput):
    """The weights have less of the body than the network, or more: `problem` says what; another setting may be the cause."""

    def __init__(self, problem: str, action: str) -> None:
        super().__init__(f"{problem}. {action}, {ANYWAY}.")
        self.problem = problem


def from_hub(name: str, arguments: Mapping[str, Any], *, strict: bool) -> tuple[nn.Module, Pretrained]:
    """The network with timm's weights, downloaded once.

    Raises WrongInput if there are none, if they do not fit, and if they leave a part of the body random, unless `strict` is
    false; TypeError if the network does not take the arguments; TrainingError without a connection.
    """
    if not timm.is_model_pretrained(name):
        raise WrongInput(f"The hub has no weights for {name}. Use --pretrained none or a file.")
    body = _body(name, arguments)
    try:
        with reached_once():
            network, load = _with_weights(name, arguments, {})
    except OSError as error:  # what huggingface_hub and urllib raise without a network
        raise TrainingError(
            f"The pretrained weights of {name} could not be downloaded: {str(error).rstrip('.')}. Without a network, give a"
            " file of them beside the recipe or model, as pretrained=weights.safetensors, or start from random weights with"
            " pretrained=none; a short such training is `podium train quick DATA pretrained=none`."
        ) from error
    except MISFITS as error:
        raise WrongInput(
            f"The hub's weights do not fit {name} with {_written(arguments)}. Leave these out, or use --pretrained none or a"
            " file."
        ) from error
    found = _counted("hub", None, body, load)
    _check_whole(found, f"The hub has weights that lack {{}} of {name}'s tensors", strict=strict)
    return network, found


def from_file(name: str, place: str, arguments: Mapping[str, Any], *, strict: bool) -> tuple[nn.Module, Pretrained]:
    """The network with the weights in a file, or in a run folder.

    Raises WrongInput if the file holds no weights, if they do not fit, and if a part of the body would stay random, or the
    file has more of it than the network, unless `strict` is false; TypeError if the network does not take the arguments.
    """
    path = find_weights(place)
    body = _body(name, arguments)
    given = read_weights(path)
    named = without_prefix(given, body.tensors.keys(), str(path))
    tensors = dict(named.tensors)
    check_tensors(path, tensors, body)
    notes = [*_about_prefix(named), *adapt_channels(tensors, body)]
    try:
        network, load = _with_weights(name, arguments, {"state_dict": tensors})
    except MISFITS as error:
        if are_others(tensors, body.tensors) and misfit(tensors, body) is None:
            raise WrongInput(other_names(path, name, given, body.tensors)) from error
        raise WrongInput(
            f"The weights in {path} do not fit {name}: {misfit(tensors, body) or _last_line(error)}. Name the network that"
            " they are of, with --model NAME."
        ) from error
    found = _counted(str(path), file_sha256(path), body, load, tuple(notes))
    few = found.loaded * FEWEST < found.parameters and are_others(tensors, body.tensors)
    if not found.loaded or (strict and few):
        raise WrongInput(other_names(path, name, given, body.tensors))
    _check_whole(found, f"{path} lacks {{}} of {name}'s tensors", strict=strict)
    _check_learnt(path, network, body)
    over = [key for key in found.left_out if body.is_more_of_it(key)]
    if strict and over:
        raise OtherBody(
            f"{path} holds more than {name}: {plural(len(over), 'tensor')} without a place in it, as {listed(over)}",
            "They are weights of a larger network: name that one with --model NAME",
        )
    return network, found


def _about_prefix(named: Named) -> Iterator[str]:
    if named.prefix:
        one = named.unused == 1
        unused = (
            f"; {plural(named.unused, 'tensor')} without that {'is' if one else 'are'} not used" if named.unused else ""
        )
        yield f"its names begin with {printable(named.prefix)}{unused}"


def _body(name: str, arguments: Mapping[str, Any]) -> Body:
    """The body as it is without weights, made without drawing a number or taking memory."""
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        return Body.of(make_network(name, **arguments))


def _with_weights(name: str, arguments: Mapping[str, Any], overlay: Mapping[str, object]) -> tuple[nn.Module, Load]:
    """As timm loads them, without a head: its classes are others."""
    with watched_load() as load:
        network = make_network(name, pretrained=True, pretrained_cfg_overlay={**overlay, "num_classes": 0}, **arguments)
    known = timm.get_pretrained_cfg(name)
    facts: dict[str, object] = network.pretrained_cfg  # type: ignore[assignment]
    facts.pop("state_dict", None)
    facts["num_classes"] = 0 if known is None else known.num_classes
    return network, load


def _counted(weights: str, sha256: str | None, body: Body, load: Load, notes: tuple[str, ...] = ()) -> Pretrained:
    missing = set(load.missing)
    random = tuple(name for name in body.tensors if name in missing)
    total = sum(body.learnt.values())
    loaded = total - sum(body.learnt.get(name, 0) for name in random)
    left_out = tuple(sorted(name for name in load.unexpected if not name.startswith(body.heads)))
    return Pretrained(
        weights=weights, sha256=sha256, parameters=total, loaded=loaded, random=random, left_out=left_out, notes=notes
    )


def _check_whole(found: Pretrained, lacks: str, *, strict: bool) -> None:
    if strict and found.random:
        stay = "begin as in a new network" if found.only_statistics else "stay random"
        raise OtherBody(
            f"{lacks.format(len(found.random))}, as {listed(found.random)}: they would {stay}, and {found.share}",
            "Give weights of the whole network",
        )


def _check_learnt(path: Path, network: nn.Module, body: Body) -> None:
    """WrongInput if no layer of the body has learnt: each one's weights are a single number, as all zeros.

    Some such layers are normal, biases and the last norms of blocks, which begin at zero, among them.
    """
    parameters = dict(network.named_parameters())
    weights = [parameters[name] for name in body.learnt if name in parameters and parameters[name].ndim > 1]
    if weights and all(bool((it == it.flatten()[0]).all()) for it in weights):
        raise WrongInput(
            f"{path} holds nothing that was learnt: the weights of each layer of the body are one number, as"
            f" {weights[0].flatten()[0].item():g}. Give the file that a training wrote, or pretrained=none."
        )


def _written(arguments: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {value!r}" for name, value in arguments.items())


def _last_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[-1].strip().rstrip(".")
