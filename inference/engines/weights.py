"""The file of weights: a safetensors file, whose header is checked against the network before a number is read."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from inference.archive.digest import file_sha256
from inference.archive.errors import AGAIN, ModelRefused
from inference.archive.model_file import ModelFile

MOST_HEADER = 16 * 2**20  # bytes; timm's longest takes 0.3 MB (resnetrs420)
KINDS = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64,
    "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8, "BOOL": torch.bool,
}  # fmt: skip

Outline = tuple[torch.dtype | str, tuple[int, ...]]  # of a tensor


def check_weights(weights: Path, network: nn.Module, model: ModelFile) -> None:
    """Raise ModelRefused unless the file is the one that the record names, and holds the tensors of `network`, and no other.

    `network` may be on the device `meta`. Of tensors that are one (tied weights), one is enough.
    """
    if not weights.is_file():
        raise ModelRefused(f"{weights.name} is missing.", AGAIN)
    expected = network.state_dict(keep_vars=True)
    size, most = weights.stat().st_size, sum(tensor.nbytes for tensor in expected.values()) + MOST_HEADER
    if size > most:
        raise _unfit(model, f"{weights.name} has {size:,} bytes, and they need {most:,} at most")
    if (sha256 := file_sha256(weights)) != model.weights_sha256:
        raise ModelRefused(
            f"{weights.name} has SHA-256 {sha256[:12]}..., and model.json names {model.weights_sha256[:12]}...: one of them "
            "was changed.",
            "Restore the right one.",
        )
    found = _outlines(weights, model)
    if problem := _difference(
        {name: (it.dtype, tuple(it.shape)) for name, it in expected.items()}, found, _tied(expected)
    ):
        raise _unfit(model, problem)


def _outlines(weights: Path, model: ModelFile) -> dict[str, Outline]:
    try:
        with safe_open(weights, framework="pt") as opened:
            slices = {name: opened.get_slice(name) for name in opened.keys()}  # noqa: SIM118 - no dict
            return {
                name: (KINDS.get(it.get_dtype(), it.get_dtype()), tuple(it.get_shape())) for name, it in slices.items()
            }
    except SafetensorError as error:
        raise _unfit(model, f"{weights.name} is no safetensors file, or not a whole one") from error


def _tied(tensors: dict[str, torch.Tensor]) -> dict[str, set[str]]:
    """The names of each tensor that has several."""
    names = defaultdict(set)
    for name, tensor in tensors.items():
        names[id(tensor)].add(name)
    return {name: together for together in names.values() if len(together) > 1 for name in together}


def _difference(expected: dict[str, Outline], found: dict[str, Outline], tied: dict[str, set[str]]) -> str | None:
    """What the file has otherwise, in words; None if it fits."""
    for name in sorted(found.keys() & expected.keys()):
        if found[name] != expected[name]:
            return f"{name} is {_words(found[name])}, and the network has {_words(expected[name])}"
    lacking = sorted(name for name in expected.keys() - found.keys() if not tied.get(name, set()) & found.keys())
    if lacking:
        return f"{len(lacking)} of {len(expected)} tensors are missing, as {lacking[0]}"
    if strange := sorted(found.keys() - expected.keys()):
        return f"{len(strange)} of {len(found)} tensors are not the network's, as {ascii(strange[0])[:80]}"
    return None


def _words(outline: Outline) -> str:
    kind, shape = outline
    return f"{str(kind).removeprefix('torch.')} {shape}"


def _unfit(model: ModelFile, problem: str) -> ModelRefused:
    return ModelRefused(
        f"The weights do not make a {model.architecture} with {len(model.classes)} classes: {problem}.",
        AGAIN,
    )
