"""A checkpoint: one file, whole or not there, that checks itself; no pickle.

checkpoints/last.safetensors, and the one before it as previous.safetensors: a torn disk costs minutes, not the training.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from training.errors import TrainingError
from training.files import replacing
from training.run import kept
from training.tensors_file import save_tensors

FOLDER = "checkpoints"
LAST, PREVIOUS = "last.safetensors", "previous.safetensors"


def write_checkpoint(run_folder: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Replace the last checkpoint; the one before it stays until the next. Raises TrainingError if the disk is full."""
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    text = json.dumps(facts)
    folder = run_folder / FOLDER
    with kept(run_folder):
        folder.mkdir(exist_ok=True)
        with replacing(folder / LAST) as draft:
            save_tensors(plain, draft, {"facts": text, "sha256": _digest(plain, text)})
            if (folder / LAST).exists():
                (folder / LAST).replace(folder / PREVIOUS)


def read_checkpoint(run_folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """Tensors and facts of the newest whole checkpoint; None before the first one.

    Raises TrainingError if there are checkpoints and none of them is whole.
    """
    damaged = []
    for name in (LAST, PREVIOUS):
        path = run_folder / FOLDER / name
        if path.exists():
            found = _read(path)
            if found is not None:
                return found
            damaged.append(str(path))
    if damaged:
        raise TrainingError(f"{' and '.join(damaged)} are damaged: their content is not what was written. Train again.")
    return None


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """The checkpoint in this file; None if it is damaged."""
    try:
        with safe_open(path, framework="pt") as opened:
            metadata = opened.metadata() or {}
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - no dict
    except SafetensorError:
        return None
    text = metadata.get("facts", "")
    if _digest(tensors, text) != metadata.get("sha256"):
        return None
    try:
        facts = json.loads(text)
    except ValueError:
        return None
    return (tensors, facts) if isinstance(facts, dict) else None


def _digest(tensors: Mapping[str, Tensor], facts: str) -> str:
    digest = hashlib.sha256(facts.encode())
    for name in sorted(tensors):
        digest.update(f"\0{name}\0{tensors[name].dtype}\0{tuple(tensors[name].shape)}\0".encode())
        digest.update(tensors[name].reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """An optimizer's state: its tensors under flat names (`state.0.exp_avg`, `group.1.step`), and the rest for JSON."""
    state = optimizer.state_dict()
    parts = {f"state.{index}": slots for index, slots in state["state"].items()}
    parts |= {f"group.{index}": group for index, group in enumerate(state["param_groups"])}
    tensors = {
        f"{part}.{key}": value
        for part, slots in parts.items()
        for key, value in slots.items()
        if isinstance(value, Tensor)
    }
    plain = {
        part: {key: value for key, value in slots.items() if not isinstance(value, Tensor)}
        for part, slots in parts.items()
    }
    return tensors, plain


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor], plain: Mapping[str, Any]) -> None:
    """Put back what `optimizer_tensors` gave, each slot in the layout of its parameter: kernels take them as one."""
    parts: dict[str, dict[str, Any]] = {part: dict(slots) for part, slots in plain.items()}
    for name, tensor in tensors.items():
        part, _, key = name.rpartition(".")
        parts[part][key] = tensor
    state = {int(part.removeprefix("state.")): slots for part, slots in parts.items() if part.startswith("state.")}
    groups = [parts[f"group.{index}"] for index in range(len(optimizer.param_groups))]
    optimizer.load_state_dict({"state": state, "param_groups": groups})
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            _lay_out(parameter, optimizer.state.get(parameter, {}))


def _lay_out(parameter: Tensor, slots: dict[str, Any]) -> None:
    """A file holds contiguous tensors, and weights on a GPU are channels_last: fused kernels would mix the two up."""
    for key, value in slots.items():
        if isinstance(value, Tensor) and value.shape == parameter.shape and value.stride() != parameter.stride():
            slots[key] = torch.empty_like(parameter, dtype=value.dtype, requires_grad=False).copy_(value)
