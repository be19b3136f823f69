"""One step on random pixels before a photo is read: what the network refuses becomes a sentence about a setting.

settings -> network -> forward, backward, evaluation of a copy -> (if it refuses) the same without one setting after the other
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator

import timm
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from inference.engines.network import NETWORK_ERRORS
from training.errors import NetworkRefused, TrainingError, WrongInput
from training.memory import HALVE, is_out_of_memory, memory_explained
from training.model.loadable import check_loads
from training.model.network import DTYPES, create_network, why_refused
from training.model.provenance import Pretrained
from training.settings.config import TrainConfig


def made(
    config: TrainConfig,
    class_count: int,
    *,
    pretrained: str | None = None,
    on_pretrained: Callable[[Pretrained], None] = lambda _: None,
) -> nn.Module:
    """As `create_network`, but WrongInput names the setting without which the network could be made."""
    try:
        return create_network(config, class_count, pretrained=pretrained, on_pretrained=on_pretrained)
    except NetworkRefused as refused:
        raise _explained(config, class_count, refused) from refused


def try_step(config: TrainConfig, network: nn.Module, class_count: int) -> None:
    """Train and evaluate a copy of the network for one batch, on its device.

    On a GPU the batch is as large as it is set, so that memory that does not suffice shows now. The network and the
    random numbers stay as they were. Raises WrongInput with the setting that makes the network refuse, and TrainingError
    if the memory does not suffice.
    """
    try:
        with memory_explained(*_what_is_tried(config, network)):
            step(config, network, class_count)
    except NetworkRefused as refused:
        raise _explained(config, class_count, refused) from refused
    torch.cuda.empty_cache()  # free GPU memory is measured afterwards; nothing happens without a GPU


def step(config: TrainConfig, network: nn.Module, class_count: int) -> None:
    """As `try_step`, but raises NetworkRefused, which is only the reason, and what `is_out_of_memory` knows."""
    device = next(network.parameters()).device
    count = _count(config, device)
    labels = torch.arange(count, device=device) % class_count
    dtype = DTYPES.get(config.precision, torch.float32)
    copied = copy.deepcopy(network).train()
    try:
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
                logits = _logits(copied, count, config.crop_size, device)
            cross_entropy(_checked(logits, class_count).float(), labels).backward()  # type: ignore[no-untyped-call]
            with torch.inference_mode():
                _checked(_logits(copied.eval(), 1, config.image_size, device), class_count)
    except NETWORK_ERRORS as error:
        if is_out_of_memory(error):
            raise
        raise NetworkRefused(why_refused(error)) from error
    check_loads(config, network, class_count)


def _count(config: TrainConfig, device: torch.device) -> int:
    if isinstance(config.batch_size, str):
        return 2
    return config.batch_size if device.type == "cuda" else min(2, config.batch_size)


def _what_is_tried(config: TrainConfig, network: nn.Module) -> tuple[str, str]:
    """What the memory has to hold, and what to do if it does not."""
    count = _count(config, next(network.parameters()).device)
    if count == config.batch_size:
        return f"batch_size = {count}", HALVE
    return f"{count} photos of {config.crop_size} pixels in {config.model}", "Choose a smaller model, or image_size"


def _logits(network: nn.Module, count: int, side_px: int, device: torch.device) -> Tensor:
    answer: Tensor = network(torch.randn(count, 3, side_px, side_px, device=device))
    return answer


def _checked(logits: Tensor, class_count: int) -> Tensor:
    """The logits, if they are (N, C)."""
    if not isinstance(logits, Tensor):
        raise NetworkRefused(f"it gives a {type(logits).__name__}, not one tensor of logits")
    if logits.ndim != 2 or logits.shape[1] != class_count:
        each = " x ".join(map(str, logits.shape[1:]))
        raise NetworkRefused(f"it gives {each} numbers for a photo, and there are {class_count} classes")
    return logits


def _explained(config: TrainConfig, class_count: int, refused: NetworkRefused) -> WrongInput:
    """The sentence about the setting without which the network takes the step; it is found by trying."""
    for changed, setting, advice in _without(config):
        other = config.model_copy(update={**changed, "pretrained": "none"})
        try:
            with memory_explained(setting):
                step(other, create_network(other, class_count), class_count)
        except TrainingError:
            continue
        return WrongInput(f"{setting}: {config.model} does not take it ({refused}). {advice}.")
    return WrongInput(
        f"model = {config.model}: it takes no step with these settings ({refused}). Choose another model."
    )


def _without(config: TrainConfig) -> Iterator[tuple[dict[str, object], str, str]]:
    """Other settings to try, which setting is then the wrong one, and what to do."""
    if config.batch_size == 1:
        yield {"batch_size": 2}, "batch_size = 1", "Use 2 or more"
    if config.train_size is not None:
        yield {"train_size": None}, f"train_size = {config.train_size}", "Leave train_size out"
    known = timm.get_pretrained_cfg(config.model)
    own = known.input_size[-1] if known else 224
    for side in dict.fromkeys((-(-config.image_size // 32) * 32, own)):
        if side != config.image_size:
            sizes: dict[str, object] = {"image_size": side, "train_size": None}
            yield sizes, f"image_size = {config.image_size}", f"Use image_size = {side}"
    if config.pool is not None:
        yield {"pool": None}, f"pool = {config.pool}", "Leave pool out"
    for key, value in config.model_args.items():
        rest = {name: other for name, other in config.model_args.items() if name != key}
        yield {"model_args": rest}, f"model_args = {{{key!r}: {value!r}}}", f"Leave {key} out"
    if len(config.model_args) > 1:
        yield {"model_args": {}}, f"model_args = {config.model_args}", "Leave them out"
