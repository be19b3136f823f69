"""A checkpoint is whole, or it is not taken."""

from __future__ import annotations

from pathlib import Path

import pytest

from training.errors import TrainingError

pytestmark = pytest.mark.torch


def written(folder: Path, number: int) -> None:
    import torch

    from training.fitting.checkpoint import write_checkpoint

    write_checkpoint(folder, {"a": torch.full((3,), float(number)), "nothing": torch.empty(0)}, {"number": number})


def test_what_was_written_is_read(tmp_path: Path) -> None:
    import torch

    from training.fitting.checkpoint import read_checkpoint

    written(tmp_path, 1)
    found = read_checkpoint(tmp_path)
    assert found is not None
    assert found[1] == {"number": 1}
    assert torch.equal(found[0]["a"], torch.ones(3))


def test_a_folder_without_one_has_none(tmp_path: Path) -> None:
    from training.fitting.checkpoint import read_checkpoint

    assert read_checkpoint(tmp_path) is None


@pytest.mark.parametrize("harm", ["a bit", "the end", "everything"])
def test_a_damaged_one_gives_way_to_the_one_before(tmp_path: Path, harm: str) -> None:
    from training.fitting.checkpoint import read_checkpoint

    written(tmp_path, 1)
    written(tmp_path, 2)
    last = tmp_path / "checkpoints" / "last.safetensors"
    content = bytearray(last.read_bytes())
    content[-1] ^= 1
    last.write_bytes({"a bit": bytes(content), "the end": bytes(content[:-4]), "everything": b""}[harm])
    found = read_checkpoint(tmp_path)
    assert found is not None
    assert found[1] == {"number": 1}


def test_when_all_are_damaged_it_says_so(tmp_path: Path) -> None:
    from training.fitting.checkpoint import read_checkpoint

    written(tmp_path, 1)
    (tmp_path / "checkpoints" / "last.safetensors").write_bytes(b"torn")
    with pytest.raises(TrainingError, match="are damaged"):
        read_checkpoint(tmp_path)


@pytest.mark.parametrize("name", ["adamw", "sgd", "muon", "lamb", "adafactor"])
def test_an_optimizer_goes_on_as_if_it_had_never_stopped(tmp_path: Path, name: str) -> None:
    import torch
    from torch import nn

    from tests.training.conftest import tiny_config
    from training.fitting.checkpoint import load_optimizer, optimizer_tensors, read_checkpoint, write_checkpoint
    from training.fitting.optimisation import create_optimizer
    from training.model.network import create_network

    def fresh() -> tuple[nn.Module, torch.optim.Optimizer]:
        torch.manual_seed(0)
        network = create_network(config, 3).eval()
        return network, create_optimizer(network, config, lr=0.01)

    def steps(network: nn.Module, optimizer: torch.optim.Optimizer, count: int) -> None:
        for _ in range(count):
            network(torch.ones(2, 3, 32, 32)).logsumexp(dim=1).sum().backward()
            optimizer.step()
            optimizer.zero_grad()

    config = tiny_config(tmp_path, tmp_path / "run", optimizer=name, body_lr_scale=0.5)
    network, optimizer = fresh()
    steps(network, optimizer, 2)
    tensors, plain = optimizer_tensors(optimizer)
    write_checkpoint(tmp_path, tensors, plain)
    weights = {key: value.clone() for key, value in network.state_dict().items()}
    steps(network, optimizer, 2)
    other, restored = fresh()
    other.load_state_dict(weights)
    found = read_checkpoint(tmp_path)
    assert found is not None
    load_optimizer(restored, *found)
    steps(other, restored, 2)
    for key, value in network.state_dict().items():
        assert torch.equal(value, other.state_dict()[key]), key


def test_slots_come_back_in_the_layout_of_weights_that_are_channels_last(tmp_path: Path) -> None:
    """As on a GPU, whose fused kernels take weights and slots as one row of numbers."""
    import torch
    from torch import nn

    from training.fitting.checkpoint import load_optimizer, optimizer_tensors, read_checkpoint, write_checkpoint

    def fresh() -> tuple[nn.Module, torch.optim.Optimizer]:
        torch.manual_seed(0)
        layer = nn.Conv2d(4, 6, 3).to(memory_format=torch.channels_last)
        return layer, torch.optim.AdamW(layer.parameters(), lr=0.1, fused=True)

    def step(layer: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        layer(torch.linspace(-1, 1, 4 * 25).view(1, 4, 5, 5)).square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()

    layer, optimizer = fresh()
    step(layer, optimizer)
    write_checkpoint(tmp_path, *optimizer_tensors(optimizer))
    weights = {key: value.clone() for key, value in layer.state_dict().items()}
    other, restored = fresh()
    other.load_state_dict(weights)
    found = read_checkpoint(tmp_path)
    assert found is not None
    load_optimizer(restored, *found)
    for parameter in other.parameters():
        slots = restored.state[parameter]
        assert slots["exp_avg"].stride() == slots["exp_avg_sq"].stride() == parameter.stride()
    step(layer, optimizer)
    step(other, restored)
    for key, value in layer.state_dict().items():
        assert torch.equal(value, other.state_dict()[key]), key
