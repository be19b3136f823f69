"""A new head: what depends on the number of classes is drawn, and nothing else."""

from __future__ import annotations

from math import log
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.training.conftest import tiny_config, tiny_settled
from training.errors import NetworkRefused

if TYPE_CHECKING:
    from torch import nn

pytestmark = pytest.mark.torch

SMALL: dict[str, dict[str, object]] = {
    "levit_128s": {"embed_dim": [16, 32, 48], "depth": [1, 1, 1], "num_heads": [1, 2, 3]},
    "deit_tiny_distilled_patch16_224": {"depth": 1, "embed_dim": 24},
    "plain_cnn": {"widths": [8], "repeats": 1, "dense": [16]},
}
DRAWN = {
    "test_resnet": {"fc"},
    "mobilenetv3_small_050": {"classifier"},  # beside it a hidden layer that timm counts to the body
    "vgg11": {"head.fc"},
    "caformer_s18": {"head.fc.fc2"},  # a hidden layer and a norm before it
    "repvit_m0_9": {"head.head.l", "head.head_dist.l"},  # a norm before each
    "levit_128s": {"head.linear", "head_dist.linear"},
    "levit_384_s8": {"head.linear", "head_dist.linear"},  # timm's configuration names only the first
    "deit_tiny_distilled_patch16_224": {"head", "head_dist"},
    "crossvit_9_240": {"head.0", "head.1"},
    "volo_d1_224": {"head", "aux_head"},  # get_classifier names only the first
    "plain_cnn": {"fc"},
}


def both(tmp_path: Path, model: str) -> tuple[nn.Module, nn.Module]:
    """The network as timm draws it, and as a training begins with it, from the same seed."""
    import timm
    import torch

    from training.model.network import create_network, model_args_of

    arguments = SMALL.get(model, {})
    config = tiny_config(
        tmp_path, tmp_path, model=model, model_args=arguments, image_size=240 if "240" in model else 32
    )
    torch.manual_seed(3)
    ours = create_network(config, 5)
    torch.manual_seed(3)
    return timm.create_model(model, num_classes=5, **model_args_of(config)), ours


@pytest.mark.parametrize("model", DRAWN)
def test_only_what_depends_on_the_number_of_classes_is_drawn(tmp_path: Path, model: str) -> None:
    import torch

    timms, ours = both(tmp_path, model)
    before = timms.state_dict()
    changed = {
        name.rpartition(".")[0] for name, value in ours.state_dict().items() if not torch.equal(value, before[name])
    }
    assert changed == DRAWN[model]
    for name in changed:
        layer = ours.get_submodule(name)
        assert layer.weight.std().item() == pytest.approx(0.01, rel=0.3)  # type: ignore[operator]
        assert layer.bias.abs().max().item() == 0  # type: ignore[operator]


def test_a_head_of_one_layer_is_drawn_with_the_numbers_that_it_always_was(tmp_path: Path) -> None:
    """After timm's own, from the same generator: a training of a seed gives the weights that it always gave."""
    import torch
    from torch.nn.init import normal_

    timms, ours = both(tmp_path, "test_resnet")  # the generator stands behind timm's draws
    for name, parameter in timms.get_classifier().named_parameters():  # type: ignore[operator]
        normal_(parameter, std=0.01 if name.endswith("weight") else 0.0)
    kept = ours.state_dict()
    assert all(torch.equal(value, kept[name]) for name, value in timms.state_dict().items())


@pytest.mark.parametrize("model", ["repvit_m0_9", "levit_128s", "deit_tiny_distilled_patch16_224", "volo_d1_224"])
def test_the_first_loss_is_that_of_a_guess_whatever_the_head(tmp_path: Path, model: str) -> None:
    import torch
    from torch.nn.functional import cross_entropy

    _, ours = both(tmp_path, model)
    with torch.inference_mode():
        logits = ours.eval()(torch.randn(5, 3, 32, 32))
    assert cross_entropy(logits, torch.arange(5)).item() == pytest.approx(log(5), abs=0.15)


@pytest.mark.parametrize(("model", "lr"), [("caformer_s18", 0.001), ("repvit_m0_9", 0.03)])
def test_a_head_with_a_hidden_layer_or_a_norm_learns_alone(tmp_path: Path, model: str, lr: float) -> None:
    """If hidden layers and norms were drawn near zero, too, the losses were 0.88 and 0.36 after these steps."""
    import torch
    from torch.nn.functional import cross_entropy

    from training.fitting.freezing import set_learning
    from training.fitting.optimisation import create_optimizer

    _, ours = both(tmp_path, model)
    set_learning(ours, "body")
    optimizer = create_optimizer(ours, tiny_config(tmp_path, tmp_path), lr=lr)
    with torch.no_grad():
        features = ours.forward_features(torch.randn(10, 3, 32, 32))  # type: ignore[operator]
    labels = torch.arange(10) % 5
    for _ in range(20):
        loss = cross_entropy(ours.forward_head(features), labels)  # type: ignore[operator]
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()
    assert loss.item() < 0.1


@pytest.mark.parametrize(
    ("model", "head"),
    [
        ("deit_tiny_distilled_patch16_224", {"head", "head_dist"}),
        ("levit_128s", {"head", "head_dist"}),
        ("repvit_m0_9", {"head"}),
        ("volo_d1_224", {"head", "aux_head"}),
    ],
)
@pytest.mark.parametrize("policy", ["body", "stages:1"])
def test_every_layer_of_the_head_learns_while_the_body_is_frozen(
    tmp_path: Path, model: str, head: set[str], policy: str
) -> None:
    from training.fitting.freezing import set_learning
    from training.fitting.optimisation import create_optimizer

    _, network = both(tmp_path, model)
    set_learning(network, policy)
    learning = {name.partition(".")[0] for name, parameter in network.named_parameters() if parameter.requires_grad}
    assert head <= learning
    if policy == "body":
        assert learning == head
        assert {name for name, module in network.named_children() if module.training} == head
    settings = tiny_settled(tmp_path, tmp_path, body_lr_scale=0.1)
    shares = {
        id(weight): group["lr_scale"]
        for group in create_optimizer(network, settings, lr=1.0).param_groups
        for weight in group["params"]
    }
    assert all(
        shares[id(weight)] == (1.0 if name.partition(".")[0] in head else 0.1)
        for name, weight in network.named_parameters()
    )


@pytest.mark.parametrize("model", ["mobilenetv5_300m_enc", "qwen3_vit_88m_enc"])
def test_an_encoder_without_a_classifier_is_refused(tmp_path: Path, model: str) -> None:
    import torch

    from training.model.network import create_network

    with pytest.raises(NetworkRefused, match="only makes features, and has no classifier"), torch.device("meta"):
        create_network(tiny_config(tmp_path, tmp_path, model=model, model_args={}), 3)
