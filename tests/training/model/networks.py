"""Small networks of timm's own classes, and files of their weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.training.conftest import tiny_config

if TYPE_CHECKING:
    from torch import Tensor, nn

    from training.model.provenance import Pretrained

NARROW: dict[str, Any] = {"channels": [4, 4, 8, 8], "stem_width": 4}


def weights_of(model: str, **arguments: Any) -> dict[str, Tensor]:  # noqa: ANN401 - timm's own
    """Weights as a training would have left them: none is like those of a network that was just made."""
    import timm
    import torch

    torch.manual_seed(1)
    network = timm.create_model(model, **arguments)
    return {
        name: torch.rand_like(tensor) + 0.1 if tensor.is_floating_point() else tensor
        for name, tensor in network.state_dict().items()
    }


def saved(tensors: dict[str, Tensor], path: Path) -> Path:
    """A safetensors file of them."""
    from safetensors.torch import save_file

    save_file({name: tensor.contiguous().clone() for name, tensor in tensors.items()}, path)
    return path


def begun(
    path: Path | str, folder: Path, *, model: str = "resnet10t", class_count: int = 3, **changed: object
) -> tuple[nn.Module, Pretrained]:
    """A network that begins with the weights in this file, and what is reported of them."""
    from training.model.network import create_network

    arguments = {"model_args": NARROW} if model == "resnet10t" else {"model_args": {}}
    config = tiny_config(folder, folder / "run", model=model, pretrained=str(path), **(arguments | changed))
    found: list[Pretrained] = []
    network = create_network(config, class_count, on_pretrained=found.append)
    return network, found[0]
