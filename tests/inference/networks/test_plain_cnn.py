"""The plain network, by timm's name and with what timm's tools require of a model."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from torch import Tensor

    from inference.networks import PlainCNN

pytestmark = pytest.mark.torch

ROOT = Path(__file__).parents[3]


def made(**arguments: Any) -> PlainCNN:  # noqa: ANN401 - timm's own
    import timm
    import torch

    import inference.networks

    torch.manual_seed(0)
    network = timm.create_model("plain_cnn", **arguments)
    assert isinstance(network, inference.networks.PlainCNN)
    return network


def images(count: int = 2, side: int = 32, channels: int = 3) -> Tensor:
    import torch

    return torch.rand(count, channels, side, side, generator=torch.Generator().manual_seed(1))


def test_timm_knows_it_once_the_package_is_imported() -> None:
    code = (
        "import timm; print(timm.is_model('plain_cnn')); import inference.networks; print(timm.is_model('plain_cnn'))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


def test_every_width_has_its_convolutions_and_halves_the_side() -> None:
    import torch
    from torch import nn

    network = made(widths=[8, 16, 24], repeats=2, dense=[20, 12])
    shapes = [tuple(part.weight.shape) for part in network.modules() if isinstance(part, nn.Conv2d | nn.Linear)]
    assert shapes == [
        (8, 3, 3, 3), (8, 8, 3, 3), (16, 8, 3, 3), (16, 16, 3, 3), (24, 16, 3, 3), (24, 24, 3, 3),
        (20, 24 * 4 * 4), (12, 20), (10, 12),
    ]  # fmt: skip
    kinds = [sum(isinstance(part, kind) for part in network.modules()) for kind in (nn.BatchNorm2d, nn.Dropout)]
    assert kinds == [6, 2]
    assert network(images()).shape == (2, 10)
    assert torch.equal(network.eval()(images()), network.forward_head(network.forward_features(images())))


@pytest.mark.parametrize(("side", "channels"), [(28, 1), (32, 3), (64, 3)])
def test_its_side_and_its_channels_are_those_it_was_built_for(side: int, channels: int) -> None:
    network = made(img_size=side, in_chans=channels, num_classes=7)
    assert network(images(2, side, channels)).shape == (2, 7)
    with pytest.raises(AssertionError, match="set img_size"):
        network(images(2, side + 8, channels))


def test_an_image_that_its_pools_leave_nothing_of_is_refused() -> None:
    with pytest.raises(TypeError, match="leave nothing"):
        made(img_size=4)


def test_its_arguments_survive_json_and_make_the_same_network_again() -> None:
    arguments: dict[str, Any] = {"widths": [8, 16], "repeats": 1, "dense": [], "drop_rate": 0.2, "img_size": [32, 32]}
    one, other = made(**arguments), made(**json.loads(json.dumps(arguments)))
    other.load_state_dict(one.state_dict(), strict=True)
    assert one.eval()(images()).equal(other.eval()(images()))


def test_its_first_loss_is_near_that_of_a_guess() -> None:
    import torch
    from torch.nn.functional import cross_entropy

    loss = cross_entropy(made()(images(40)), torch.arange(40) % 10)
    assert loss.item() == pytest.approx(math.log(10), abs=0.3)


def test_what_the_classifier_is_given_comes_out_with_pre_logits() -> None:
    network = made(dense=[40]).eval()
    features = network.forward_features(images())
    hidden = network.forward_head(features, pre_logits=True)
    assert (features.shape, hidden.shape) == ((2, network.num_features, 8, 8), (2, network.head_hidden_size))
    assert network.get_classifier()(hidden).equal(network.forward_head(features))


def test_its_classifier_can_be_replaced_and_left_out() -> None:
    network = made()
    network.reset_classifier(3)
    assert (network.num_classes, network(images()).shape) == (3, (2, 3))
    network.reset_classifier(0)
    assert network(images()).shape == (2, network.head_hidden_size)
    with pytest.raises(ValueError, match="global pooling"):
        network.reset_classifier(3, global_pool="avg")


@pytest.mark.parametrize(("coarse", "count"), [(False, 6 + 2 + 1), (True, 3 + 1 + 1)])
def test_layer_groups_are_convolutions_or_stages_then_dense_layers_then_the_classifier(
    coarse: bool, count: int
) -> None:
    from timm.models import group_parameters

    network = made(dense=[32, 16])
    groups = group_parameters(network, network.group_matcher(coarse=coarse))
    assert list(groups) == list(range(count))
    assert [name for group in groups.values() for name in group] == [name for name, _ in network.named_parameters()]
    assert groups[count - 1] == ["fc.weight", "fc.bias"]


def test_layer_wise_learning_rates_grow_towards_the_classifier() -> None:
    from timm.optim._optim_factory import create_optimizer_v2

    network = made()
    optimizer = create_optimizer_v2(network, opt="sgd", lr=1.0, weight_decay=1e-4, layer_decay=0.5)
    scales = {id(p): group["lr_scale"] for group in optimizer.param_groups for p in group["params"]}
    assert scales[id(network.fc.weight)] == 1
    in_order = [scales[id(p)] for p in network.parameters()]
    assert in_order == sorted(in_order)
    assert in_order[0] == 0.5**7


def test_its_photos_are_divided_by_255_and_nothing_else() -> None:
    from timm.data.config import resolve_model_data_config

    found = resolve_model_data_config(made(img_size=48), {"input_size": (3, 48, 48)})  # type: ignore[no-untyped-call]
    assert found == {
        "input_size": (3, 48, 48), "interpolation": "bicubic", "crop_pct": 1.0, "crop_mode": "center",
        "mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0),
    }  # fmt: skip


def test_timms_feature_extraction_finds_the_stages() -> None:
    import timm

    network: Any = timm.create_model("plain_cnn", features_only=True)
    assert [tuple(maps.shape[1:]) for maps in network(images())] == [(32, 32, 32), (64, 16, 16), (128, 8, 8)]
    assert network.feature_info.reduction() == [1, 2, 4]


def test_it_answers_the_same_after_export_for_any_batch() -> None:
    import torch

    network = made(widths=[8, 16], dense=[32]).eval()
    batch = torch.export.Dim("batch", min=1, max=64)
    program = torch.export.export(network, (images(2),), dynamic_shapes=({0: batch},)).module()
    for count in (1, 5):
        torch.testing.assert_close(program(images(count)), network(images(count)))


@pytest.mark.filterwarnings("ignore:Guards may run slower on Python 3.13.0")
def test_torch_compile_traces_it_without_a_break() -> None:
    import torch

    network = made(widths=[8, 16], dense=[32]).eval()
    compiled = torch.compile(network, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(images()), network(images()))


def test_channels_last_images_are_flattened_in_the_same_order() -> None:
    import torch

    network = made().eval()
    laid_out = images().contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(network(laid_out), network(images()))


def test_it_learns_four_photos_by_heart() -> None:
    import torch
    from torch.nn.functional import cross_entropy

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        network = made(widths=[8, 16], dense=[32], drop_rate=0.0, num_classes=4)
    labels = torch.arange(4)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    for _ in range(20):
        optimizer.zero_grad()
        cross_entropy(network(images(4)), labels).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert network(images(4)).argmax(dim=1).equal(labels)
