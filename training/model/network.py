"""The model: built by timm, by name, with or without pretrained weights."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import timm
import torch
from timm.data.config import resolve_model_data_config
from torch import nn

from inference.archive.errors import ModelRefused
from inference.archive.model_file import read_model_file as read_record
from inference.engines.network import (
    NETWORK_ERRORS,
    NOT_FOR_PEOPLE,
    bounded_parts,
    check_answer,
    network_with,
    why_not_made,
)
from inference.networks.making import make_network
from training.errors import NetworkRefused, TrainingError, WrongInput
from training.memory import memory_explained
from training.model.heads import draw_head, heads_of
from training.model.model_file import ModelFile, Preprocessing, read_model_file, refused
from training.model.pretrained import ANYWAY, OtherBody, from_file, from_hub
from training.model.provenance import Pretrained
from training.settings.config import TrainConfig

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}  # of the forward pass, by precision

DEVICES = (
    "cpu",
    "cuda",
    "mps",
    "xpu",
)  # torch knows names for more, as meta and hpu, that cannot train or need an add-on


def create_network(
    config: TrainConfig,
    class_count: int,
    *,
    pretrained: str | None = None,
    on_pretrained: Callable[[Pretrained], None] = lambda _: None,
) -> nn.Module:
    """The configured model with a fresh head of `class_count` outputs.

    `pretrained` takes the place of the setting; `on_pretrained` gets how much of the body came from the weights. Raises
    WrongInput if timm has no such model, or if the weights are not its own, and NetworkRefused if it cannot be made with
    these settings.
    """
    if address := re.fullmatch(r"[\w.+-]+:(?!$).*|[^/]+/.*", config.model):
        raise WrongInput(_no_address(address.string))
    if not timm.is_model(config.model):
        near = difflib.get_close_matches(config.model, timm.list_models(), n=3, cutoff=0.4)
        raise WrongInput(f"timm has no model {config.model!r}. Near names: {', '.join(near) or 'none'}.")
    _check_tag(config.model)
    try:
        with bounded_parts(), memory_explained(_written(config), "Choose a smaller network"):
            network, found = _with_weights(
                config, pretrained or config.pretrained, {"num_classes": class_count, **_arguments(config)}
            )
    except NETWORK_ERRORS as error:
        raise NetworkRefused(why_refused(error)) from error
    heads_of(network)  # there is one
    draw_head(network, config.model, _arguments(config), class_count)
    if found is not None:
        on_pretrained(found)
    return network


def _written(config: TrainConfig) -> str:
    """The network as a person set it."""
    return f"model = {config.model}" + (f" with model_args = {config.model_args}" if config.model_args else "")


def _no_address(model: str) -> str:
    """The sentence about a hub's or a file's address in place of a name."""
    name = re.split(r"[:/]", model.rstrip("/"))[-1]
    example = f"model={name} pretrained=hub" if timm.is_model(name) else "model=resnet18 pretrained=hub"
    return (
        f"model = {model!r} is an address, and no model is fetched by one. Give timm's name for it, as {example}; weights"
        " that you have as a file are given as pretrained=FILE."
    )


def why_refused(error: Exception) -> str:
    """Why timm or torch refused a network or its step, in one line; an unknown argument by the name that Python gives it."""
    about_code = isinstance(error, NOT_FOR_PEOPLE) and not isinstance(error, TypeError)
    return why_not_made(error, "such a network") if about_code else in_a_few_words(error)


def in_a_few_words(error: Exception) -> str:
    """The message of an error of timm or torch, in one line."""
    return " ".join(str(error).split()).rstrip(".")[:300] or type(error).__name__


def _check_tag(name: str) -> None:
    """WrongInput if timm has the model, but no weights under the tag behind the dot."""
    try:
        timm.get_pretrained_cfg(name)
    except RuntimeError as error:
        plain = name.partition(".")[0]
        known = timm.list_pretrained(f"{plain}.*")
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.0)
        raise WrongInput(f"timm has no weights {name!r}. Near names: {', '.join([plain, *near])}.") from error


def model_args_of(config: TrainConfig) -> dict[str, Any]:
    """The keyword arguments with which `timm.create_model` builds the trained model again.

    A model that takes only one size is built for `image_size`. Raises WrongInput if its crops are to have another.
    """
    found = dict(config.model_args)
    known = timm.get_pretrained_cfg(config.model)
    if known is not None and known.fixed_input_size:
        if config.crop_size != config.image_size:
            raise WrongInput(
                f"train_size = {config.train_size}: {config.model} takes only one size. Leave train_size out."
            )
        if config.image_size != known.input_size[-1]:
            found.setdefault("img_size", config.image_size)
    return found if config.pool is None else {**found, "global_pool": config.pool}


def _arguments(config: TrainConfig) -> dict[str, Any]:
    """The arguments of `model_args_of`, and those that only a training needs."""
    rates = {"drop_rate": config.dropout, "drop_path_rate": config.drop_path or None}
    return {**{name: rate for name, rate in rates.items() if rate is not None}, **model_args_of(config)}


def _with_weights(
    config: TrainConfig, pretrained: str, arguments: dict[str, Any]
) -> tuple[nn.Module, Pretrained | None]:
    """Raises WrongInput that names the setting because of which the weights do not suffice, if there is one."""
    if pretrained == "none":
        return make_network(config.model, **arguments), None
    load = partial(from_hub, config.model) if pretrained == "hub" else partial(from_file, config.model, pretrained)
    try:
        return load(arguments, strict=config.pretrained_strict)
    except OtherBody as other:
        for name, setting in _settings_of(arguments, config):
            try:
                load({key: value for key, value in arguments.items() if key != name}, strict=True)
            except (TrainingError, *NETWORK_ERRORS):
                continue
            raise WrongInput(
                f"{setting} = {arguments[name]}: {other.problem}. Leave {setting} out, {ANYWAY}."
            ) from other
        raise


def _settings_of(arguments: Mapping[str, Any], config: TrainConfig) -> Iterator[tuple[str, str]]:
    """Arguments of timm that a person set, each with the setting's name."""
    for name in arguments:
        if name in config.model_args:
            yield name, f"model_args' {name}"
        elif name == "global_pool":
            yield name, "pool"


def preprocessing_of(network: nn.Module, config: TrainConfig) -> Preprocessing:
    """The pre-processing from a photo to this model's input, in evaluation and behind the model server alike.

    Raises WrongInput if the model wants one that the server does not have.
    """
    chosen: dict[str, object] = {"input_size": (3, config.image_size, config.image_size)}
    chosen |= {key: value for key in ("crop_pct", "crop_mode") if (value := getattr(config, key)) is not None}
    found = Preprocessing.model_validate(resolve_model_data_config(network, chosen))  # type: ignore[no-untyped-call]
    try:
        found.transform  # noqa: B018 - made to be checked
    except ValueError as error:
        raise WrongInput(f"{config.model} with image_size = {config.image_size}: {error}.") from error
    return found


def load_run(folder: Path) -> tuple[nn.Module, ModelFile]:
    """The trained model of a run folder, in eval mode on the CPU, and its record; read as the server reads an archive.

    Raises TrainingError if it is no finished run, or if its weights are not those of its record.
    """
    facts = read_model_file(folder)
    try:
        with memory_explained(f"the network of {folder}", "Use a machine with more"):
            return trained_network(folder), facts
    except ModelRefused as error:
        raise refused(folder, error) from error


def trained_network(folder: Path) -> nn.Module:
    """The trained model of a folder with model.json and weights, in eval mode on the CPU, after it has answered once.

    Raises ModelRefused if the weights are not those of the record, or if the network cannot take its own input.
    """
    model = read_record(folder, packaged=False)
    network = network_with(folder / model.weights_file, model)
    check_answer(network, model)
    return network


def choose_device(name: str) -> torch.device:
    """`auto` is CUDA if the machine has it, else the CPU; WrongInput if the named device is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    not_there = WrongInput(f"device = {name!r}: this machine has none that torch can use. Give auto or cpu.")
    if name.partition(":")[0] not in DEVICES:
        raise not_there
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:  # torch lists all that it was built for
        raise not_there from error
    return device
