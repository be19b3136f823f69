"""Which optimizer, and which share of the learning rate and of the decay each weight gets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.training.conftest import tiny_config
from training.errors import WrongInput

if TYPE_CHECKING:
    from torch import nn

pytestmark = pytest.mark.torch


def groups(tmp_path: Path, **changed: object) -> tuple[nn.Module, dict[str, dict[str, Any]]]:
    """A network, and the optimizer's group of each of its weights by name."""
    from training.fitting.optimisation import create_optimizer
    from training.model.network import create_network

    config = tiny_config(tmp_path, tmp_path / "run", **changed)
    network = create_network(config, 3)
    optimizer = create_optimizer(network, config, lr=1.0)
    found = {id(weight): group for group in optimizer.param_groups for weight in group["params"]}
    return network, {name: found[id(weight)] for name, weight in network.named_parameters()}


@pytest.mark.parametrize("name", ["kron", "adahessian", "lookahead_kron", "adafactorbv", "cadafactorbv", "bnbadam"])
def test_an_optimizer_that_would_die_at_its_first_checkpoint_is_refused_before_its_first_step(
    tmp_path: Path, name: str
) -> None:
    with pytest.raises(WrongInput, match=f"optimizer = '{name}'"):
        groups(tmp_path, optimizer=name)


@pytest.mark.parametrize("name", ["fusedadam", "bnbadam", "lookahead_fusedsgd"])
def test_an_optimizer_that_needs_another_machine_is_not_called_unknown(tmp_path: Path, name: str) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("on a GPU these lack a library, or work")
    sentence = (
        rf"^optimizer = '{name}' does not work on this machine: CUDA required for .*\. Use another one, as adamw\.$"
    )
    with pytest.raises(WrongInput, match=sentence):
        groups(tmp_path, optimizer=name)


@pytest.mark.parametrize(
    "name",
    ["sgd", "nesterov", "sgdw", "sgdc", "csgdw", "nlars", "nlarc", "lookahead_sgd", "momentum", "muon", "rmsprop"],
)
def test_an_optimizer_without_momentum_steps(tmp_path: Path, name: str) -> None:
    import torch

    from training.fitting.optimisation import create_optimizer

    layer = torch.nn.Linear(4, 4)
    layer.get_classifier = lambda: layer  # type: ignore[assignment]
    before = layer.weight.detach().clone()
    optimizer = create_optimizer(
        layer, tiny_config(tmp_path, tmp_path / "run", optimizer=name, momentum=0, weight_decay=0), lr=0.1
    )
    layer(torch.ones(2, 4)).square().sum().backward()
    gradient = layer.weight.grad.clone()  # type: ignore[union-attr]
    optimizer.step()
    assert not torch.equal(layer.weight, before)
    if name in ("sgd", "nesterov", "momentum"):
        torch.testing.assert_close(layer.weight.detach(), before - 0.1 * gradient)


@pytest.mark.parametrize("layer_decay", [None, 0.5])
def test_what_the_model_itself_spares_does_not_decay(tmp_path: Path, layer_decay: float | None) -> None:
    _, by_name = groups(tmp_path, model="test_vit", model_args={}, layer_decay=layer_decay)
    decays = {name: by_name[name]["weight_decay"] for name in ("pos_embed", "cls_token", "head.weight", "head.bias")}
    assert decays == {"pos_embed": 0.0, "cls_token": 0.0, "head.weight": 0.05, "head.bias": 0.0}


def test_layer_decay_and_the_bodys_share_of_the_learning_rate_multiply(tmp_path: Path) -> None:
    _, alone = groups(tmp_path, layer_decay=0.5)
    _, both = groups(tmp_path, layer_decay=0.5, body_lr_scale=0.1)
    shares = {name: both[name]["lr_scale"] / alone[name]["lr_scale"] for name in alone}
    assert shares == pytest.approx({name: 1.0 if name.startswith("fc.") else 0.1 for name in alone})
