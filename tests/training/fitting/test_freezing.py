"""What learns, and what does not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.training.conftest import tiny_settled
from training.errors import WrongInput

if TYPE_CHECKING:
    from torch import nn

pytestmark = pytest.mark.torch


def frozen(tmp_path: Path, epoch: int = 1, **changed: object) -> nn.Module:
    from training.fitting.freezing import set_learning
    from training.model.network import create_network

    settings = tiny_settled(tmp_path, tmp_path / "run", **changed)
    network = create_network(settings, 3)
    set_learning(network, settings.freeze_in(epoch))
    return network


def learning(network: nn.Module) -> set[str]:
    return {name for name, parameter in network.named_parameters() if parameter.requires_grad}


def test_everything_learns_unless_it_is_frozen(tmp_path: Path) -> None:
    network = frozen(tmp_path)
    assert learning(network) == {name for name, _ in network.named_parameters()}
    assert all(module.training for module in network.modules())


def test_in_the_first_epochs_the_head_alone_learns_and_the_body_is_as_in_evaluation(tmp_path: Path) -> None:
    network = frozen(tmp_path, freeze_epochs=1, dropout=0.5)
    assert learning(network) == {"fc.weight", "fc.bias"}
    assert {name for name, module in network.named_modules() if module.training} == {"fc"}


def test_after_them_the_policy_of_the_whole_training_holds(tmp_path: Path) -> None:
    network = frozen(tmp_path, epoch=2, freeze_epochs=1, freeze="stages:1")
    assert {name.split(".")[0] for name in learning(network)} == {"layer4", "fc"}
    batch_norms = {
        name
        for name, module in network.named_modules()
        if type(module).__name__.startswith("BatchNorm") and module.training
    }
    assert batch_norms
    assert all(name.startswith("layer4") for name in batch_norms)


def test_frozen_batch_norm_statistics_leave_the_weights_free(tmp_path: Path) -> None:
    network = frozen(tmp_path, freeze="norm")
    assert learning(network) == {name for name, _ in network.named_parameters()}
    assert not any(module.training for module in network.modules() if type(module).__name__.startswith("BatchNorm"))


def test_more_stages_than_there_are_is_a_wrong_value(tmp_path: Path) -> None:
    with pytest.raises(WrongInput, match="this model has 5 stages"):
        frozen(tmp_path, freeze="stages:9")


@pytest.mark.parametrize("model", ["efficientnet_b0", "mobilenetv3_small_050", "test_vit", "test_convnext"])
def test_every_kind_of_model_has_stages(tmp_path: Path, model: str) -> None:
    network = frozen(tmp_path, model=model, model_args={}, image_size=64, freeze="stages:2")
    count = len(learning(network))
    assert 2 < count < len(list(network.parameters()))


@pytest.mark.parametrize("model", ["pit_ti_224", "rdnet_tiny"])
def test_a_model_whose_stages_timm_does_not_name_is_told_so(tmp_path: Path, model: str) -> None:
    with pytest.raises(WrongInput, match=r"freeze = 'stages:2': timm does not say .* Use none, body or norm\."):
        frozen(tmp_path, model=model, model_args={}, freeze="stages:2")
    assert learning(frozen(tmp_path, model=model, model_args={}, freeze="body"))
