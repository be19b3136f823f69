"""A network that begins with weights has all of its body from them, or the training does not begin."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.training.conftest import tiny_config
from tests.training.model.networks import NARROW, begun, saved, weights_of
from training.errors import WrongInput

if TYPE_CHECKING:
    from torch import Tensor, nn

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def narrow() -> dict[str, Tensor]:
    return weights_of("resnet10t", **NARROW)


def body_of(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in tensors.items() if not name.startswith("fc.")}


def assert_same_body(network: nn.Module, tensors: dict[str, Tensor]) -> None:
    import torch

    found = body_of(network.state_dict())
    assert found.keys() == body_of(tensors).keys()
    assert all(torch.equal(found[name], tensors[name].to(found[name].dtype)) for name in found)


def test_the_whole_body_comes_from_the_file_and_the_network_says_how_much(
    narrow: dict[str, Tensor], tmp_path: Path
) -> None:
    network, found = begun(saved(narrow, tmp_path / "w.safetensors"), tmp_path)
    assert_same_body(network, narrow)
    learnt = sum(it.numel() for name, it in network.named_parameters() if not name.startswith("fc."))
    assert (found.loaded, found.parameters, found.random, found.left_out) == (learnt, learnt, (), ())
    assert found.sentence == f"all {learnt:,} parameters of the body come from these weights"
    facts: dict[str, object] = network.pretrained_cfg  # type: ignore[assignment]
    assert facts["num_classes"] == 1000
    assert "state_dict" not in facts


@pytest.mark.parametrize(
    "prefix",
    ["module.", "model.", "_orig_mod.", "state_dict.", "model_ema.", "ema.", "state_dict_ema.", "backbone.", "encoder.",
     "model._orig_mod.", "state_dict.model.", "model_ema.module.", "net.body."],
)  # fmt: skip
def test_what_a_trainer_wrote_before_the_names_is_taken_away(
    prefix: str, narrow: dict[str, Tensor], tmp_path: Path
) -> None:
    file = saved({f"{prefix}{name}": tensor for name, tensor in narrow.items()}, tmp_path / "w.safetensors")
    network, found = begun(file, tmp_path)
    assert_same_body(network, narrow)
    assert found.notes == (f"its names begin with {prefix}",)


def test_the_average_of_the_weights_comes_before_the_weights_themselves(
    narrow: dict[str, Tensor], tmp_path: Path
) -> None:
    average = {name: tensor * 2 for name, tensor in narrow.items()}
    both = {f"model.{name}": it for name, it in narrow.items()} | {
        f"model_ema.{name}": it for name, it in average.items()
    }
    network, found = begun(saved(both, tmp_path / "w.safetensors"), tmp_path)
    assert_same_body(network, average)
    assert found.notes == (f"its names begin with model_ema.; {len(narrow)} tensors without that are not used",)


def test_two_networks_in_one_file_are_refused(narrow: dict[str, Tensor], tmp_path: Path) -> None:
    both = {f"{one}.{name}": it for one in ("encoder_q", "encoder_k") for name, it in narrow.items()}
    with pytest.raises(WrongInput, match=r"more than once: under encoder_k\., encoder_q\.\. Save the one"):
        begun(saved(both, tmp_path / "w.safetensors"), tmp_path)


def test_a_file_without_one_name_of_the_network_is_refused(tmp_path: Path) -> None:
    """torchvision's MobileNetV2 has the layers of timm's, and none of its names; timm has no table for them."""
    import torchvision

    file = saved(torchvision.models.mobilenet_v2(width_mult=0.25).state_dict(), tmp_path / "w.safetensors")
    with pytest.raises(
        WrongInput, match=r"none of mobilenetv2_035's weights: its names are torchvision's, as features\.0\.0"
    ):
        begun(file, tmp_path, model="mobilenetv2_035")
    with pytest.raises(WrongInput, match="holds none of"):
        begun(file, tmp_path, model="mobilenetv2_035", pretrained_strict=False)


@pytest.mark.parametrize(
    ("model", "names"),
    [
        ("test_convnext", ["features.0.0.weight", "features.1.0.block.0.weight", "classifier.2.weight"]),
        ("swin_tiny_patch4_window7_224", ["features.0.0.weight", "features.1.0.attn.qkv.weight", "norm.bias", "head.weight"]),
        ("swinv2_cr_tiny_ns_224", ["features.0.0.weight", "features.1.0.attn.qkv.weight", "head.weight"]),
        ("test_vit", ["class_token", "conv_proj.weight", "encoder.layers.encoder_layer_0.ln_1.weight", "heads.head.weight"]),
        ("maxvit_tiny_tf_224", ["stem.0.0.weight", "blocks.0.layers.0.layers.MBconv.layers.conv_a.0.weight"]),
        ("mnasnet_small", ["layers.0.weight", "layers.8.1.layers.1.weight"]),
    ],
)  # fmt: skip
def test_torchvisions_names_are_named_where_timm_does_not_know_them(
    model: str, names: list[str], tmp_path: Path
) -> None:
    """timm's code for older names raises whatever it does over these: a KeyError, an AttributeError."""
    import timm
    import torch

    with torch.device("meta"):
        norms = timm.create_model(model).get_parameter("norm.bias").numel() if "norm.bias" in names else 1
    file = saved({f"module.{name}": torch.ones(norms) for name in names}, tmp_path / "w.safetensors")
    side = timm.get_pretrained_cfg(model).input_size[-1]  # type: ignore[union-attr]
    with pytest.raises(WrongInput, match=r"holds (none|hardly any) of .*: its names are torchvision's, as") as refused:
        begun(file, tmp_path, model=model, image_size=side)
    assert "Give weights of" in str(refused.value)
    assert "--model" not in str(refused.value)


def test_names_of_nobody_known_are_listed_beside_the_networks_own(tmp_path: Path) -> None:
    import torch

    names = ("convnext.encoder.stages.0.layers.0.dwconv.weight", "convnext.embeddings.patch_embeddings.weight")
    file = saved({name: torch.ones(2) for name in names}, tmp_path / "w.safetensors")
    with pytest.raises(WrongInput, match=r"none of test_convnext's weights: its names are as convnext\..* as stem"):
        begun(file, tmp_path, model="test_convnext")


@pytest.mark.parametrize(("model", "theirs"), [("densenet121", "densenet121"), ("regnety_004", "regnet_y_400mf")])
def test_torchvisions_names_are_understood_where_timm_knows_them(model: str, theirs: str, tmp_path: Path) -> None:
    import torchvision

    state = torchvision.models.get_model(theirs).state_dict()
    _, found = begun(
        saved({f"module.{name}": it for name, it in state.items()}, tmp_path / "w.safetensors"), tmp_path, model=model
    )
    assert found.random == ()
    assert found.loaded == found.parameters > 1e6


@pytest.mark.parametrize(
    "model",
    ["test_byobnet", "test_convnext", "test_efficientnet_gn", "test_mambaout", "test_maxvit", "test_nfnet", "test_vit",
     "test_vit_relpos", "levit_128s", "repvit_m0_9"],
)  # fmt: skip
def test_networks_of_any_family_are_found_whole_in_their_own_weights(model: str, tmp_path: Path) -> None:
    """timm changes names and shapes on the way, and some of these have norms and hidden layers in their heads."""
    import timm
    import torch

    tensors = weights_of(model)
    file = saved({f"model.{name}": it for name, it in tensors.items()}, tmp_path / "w.safetensors")
    side = timm.get_pretrained_cfg(model).input_size[-1]  # type: ignore[union-attr]
    network, found = begun(file, tmp_path, model=model, image_size=side)
    assert (found.random, found.left_out, found.loaded) == ((), (), found.parameters)
    others = {name for name, it in network.state_dict().items() if not torch.equal(it, tensors[name])}
    last = {name for name, it in network.state_dict().items() if 3 in it.shape[:1] and tensors[name].shape[0] == 1000}
    assert others == last
    assert last


def test_a_smaller_network_in_a_larger_one_is_refused_or_said_aloud(tmp_path: Path) -> None:
    file = saved(weights_of("resnet18"), tmp_path / "w.safetensors")
    with pytest.raises(
        WrongInput, match=r"lacks 80 of resnet34's tensors, as layer1\.2\.conv1\.weight, .* and 77 more"
    ):
        begun(file, tmp_path, model="resnet34")
    _, found = begun(file, tmp_path, model="resnet34", pretrained_strict=False)
    assert len(found.random) == 80
    assert found.sentence.startswith(
        "only 11,176,512 of the body's 21,284,672 parameters come from these weights; STILL RANDOM: 80 tensors, as layer1.2.conv1"
    )


def test_a_larger_network_in_a_smaller_one_is_refused_or_said_aloud(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = saved(weights_of("resnet34"), tmp_path / "w.safetensors")
    with pytest.raises(
        WrongInput, match=r"holds more than resnet18: 96 tensors without a place in it, as layer1\.2\.bn1\.bias"
    ):
        begun(file, tmp_path, model="resnet18")
    with caplog.at_level(logging.INFO):
        _, found = begun(file, tmp_path, model="resnet18", pretrained_strict=False)
    assert len(found.left_out) == 96
    assert found.sentence.endswith("left out: 96 tensors, as layer1.2.bn1.bias, layer1.2.bn1.num_batches_tracked,"
                                   " layer1.2.bn1.running_mean and 93 more")  # fmt: skip
    assert not [record for record in caplog.records if record.name.startswith("timm")]


def test_statistics_of_batch_norm_belong_to_the_body(narrow: dict[str, Tensor], tmp_path: Path) -> None:
    file = saved({name: it for name, it in narrow.items() if "running_" not in name}, tmp_path / "w.safetensors")
    with pytest.raises(WrongInput, match=r"lacks \d+ of resnet10t's tensors, as conv1\.1\.running_mean") as refused:
        begun(file, tmp_path)
    assert "begin as in a new network, and only the" in str(refused.value)
    assert "not its statistics" in str(refused.value)
    assert "random" not in str(refused.value)
    _, found = begun(file, tmp_path, pretrained_strict=False)
    assert found.sentence.startswith(
        f"only the {found.parameters:,} learnt parameters of the body come from these weights"
    )
    assert "AS IN A NEW NETWORK" in found.sentence


@pytest.mark.parametrize("value", [0, 1])
def test_weights_of_one_number_are_no_weights(value: int, narrow: dict[str, Tensor], tmp_path: Path) -> None:
    import torch

    flat = {name: torch.full_like(it, value) for name, it in narrow.items()}
    with pytest.raises(WrongInput, match=f"nothing that was learnt: .* one number, as {value}"):
        begun(saved(flat, tmp_path / "w.safetensors"), tmp_path)
    zeros = {name: it * 0 for name, it in narrow.items() if name.endswith((".bias", "bn2.weight")) or "layer1" in name}
    _, found = begun(saved(narrow | zeros, tmp_path / "w.safetensors"), tmp_path)
    assert found.loaded == found.parameters


def test_another_head_in_the_file_is_no_reason_to_refuse_it(narrow: dict[str, Tensor], tmp_path: Path) -> None:
    import torch

    head = {"fc.0.weight": torch.ones(5, 8), "fc.2.weight": torch.ones(2, 5), "criterion.weight": torch.ones(2)}
    network, found = begun(saved(body_of(narrow) | head, tmp_path / "w.safetensors"), tmp_path)
    assert_same_body(network, narrow)
    assert found.left_out == ("criterion.weight",)


@pytest.mark.parametrize("classes", [3, 1000])
def test_weights_for_any_number_of_classes_begin_a_network_for_any_other(
    classes: int, narrow: dict[str, Tensor], tmp_path: Path
) -> None:
    file = saved(weights_of("resnet10t", num_classes=7, **NARROW), tmp_path / "w.safetensors")
    network, found = begun(file, tmp_path, class_count=classes)
    assert network.state_dict()["fc.weight"].shape[0] == classes
    assert found.random == ()


def test_weights_of_other_widths_are_refused_with_both_shapes(tmp_path: Path) -> None:
    file = saved(weights_of("resnet10t", channels=[4, 4, 8, 12], stem_width=4), tmp_path / "w.safetensors")
    with pytest.raises(
        WrongInput, match=r"do not fit resnet10t: layer4\.0\.[\w.]+ is \(12.*there, and \(8.*in the network"
    ):
        begun(file, tmp_path)
    with pytest.raises(WrongInput, match="do not fit resnet10t"):
        begun(file, tmp_path, pretrained_strict=False)


@pytest.mark.parametrize("channels", [1, 4])
def test_a_first_convolution_of_other_channels_is_adapted_and_that_is_told(
    channels: int, narrow: dict[str, Tensor], tmp_path: Path
) -> None:
    import torch

    first = narrow["conv1.0.weight"]
    other = first.mean(dim=1, keepdim=True).repeat(1, channels, 1, 1)
    network, found = begun(saved(narrow | {"conv1.0.weight": other}, tmp_path / "w.safetensors"), tmp_path)
    assert found.notes == (f"conv1.0.weight was adapted from {channels} to 3 input channels",)
    assert torch.allclose(network.state_dict()["conv1.0.weight"][:, 0], other[:, 0] * channels / 3)


def test_numbers_that_are_not_finite_are_refused(narrow: dict[str, Tensor], tmp_path: Path) -> None:
    for value in (float("nan"), float("inf")):
        broken = narrow | {"layer2.0.bn1.running_var": narrow["layer2.0.bn1.running_var"] * value}
        with pytest.raises(WrongInput, match=r"layer2\.0\.bn1\.running_var holds numbers that are not finite"):
            begun(saved(broken, tmp_path / "w.safetensors"), tmp_path)


def test_quantised_weights_are_refused(narrow: dict[str, Tensor], tmp_path: Path) -> None:
    import torch

    name = "layer1.0.conv1.weight"
    with pytest.raises(WrongInput, match=f"{name} holds int8, and weights are floating-point numbers"):
        begun(saved(narrow | {name: narrow[name].to(torch.int8)}, tmp_path / "w.safetensors"), tmp_path)


@pytest.mark.parametrize("precision", ["float64", "float16", "bfloat16", "float8_e4m3fn"])
def test_floating_point_of_any_width_is_read(precision: str, narrow: dict[str, Tensor], tmp_path: Path) -> None:
    import torch

    kind = getattr(torch, precision)
    there = {name: it.to(kind) if it.is_floating_point() else it for name, it in narrow.items()}
    network, _ = begun(saved(there, tmp_path / "w.safetensors"), tmp_path)
    assert_same_body(network, there)
    assert {it.dtype for it in network.parameters()} == {torch.float32}


def test_names_in_the_file_cannot_write_to_the_terminal(tmp_path: Path) -> None:
    import torch

    with pytest.raises(WrongInput, match=r"its names are as a␊b␛\[2J") as refused:
        begun(saved({"a\nb\x1b[2J": torch.ones(2)}, tmp_path / "w.safetensors"), tmp_path)
    assert str(refused.value).isprintable()


def test_the_hub_without_weights_for_a_network_is_said_before_anything_is_fetched(tmp_path: Path) -> None:
    with pytest.raises(WrongInput, match="The hub has no weights for plain_cnn"):
        begun("hub", tmp_path, model="plain_cnn", image_size=32)


def test_settings_that_the_network_does_not_take_are_no_fault_of_the_weights(
    narrow: dict[str, Tensor], tmp_path: Path
) -> None:
    with pytest.raises(WrongInput, match="unexpected keyword argument 'chanels'"):
        begun(saved(narrow, tmp_path / "w.safetensors"), tmp_path, model_args={"chanels": [1]})


def test_a_run_keeps_what_came_from_the_weights_and_says_so_before_the_first_epoch(
    photos: Path, narrow: dict[str, Tensor], tmp_path: Path
) -> None:
    from training.fine_tune import train
    from training.model.provenance import read_pretrained
    from training.planning import plan

    file = saved(narrow, tmp_path / "w.safetensors")
    config = tiny_config(photos, tmp_path / "run", model_args=NARROW, pretrained=str(file), epochs=1)
    said = f"pretrained = {file} (all "
    assert any(str(note).startswith(said) for note in plan(config)["notes"])  # type: ignore[attr-defined]
    notes: list[str] = []
    train(config, on_note=notes.append)
    assert any(note.startswith(said) for note in notes)
    found = read_pretrained(config.run)
    assert found is not None
    assert (found.loaded, found.weights) == (found.parameters, str(file))
    assert "parameters of the body come from these weights" in (config.run / "resolved.yaml").read_text()


def test_weights_that_do_not_fit_leave_the_run_folder_free(photos: Path, tmp_path: Path) -> None:
    from training.fine_tune import train
    from training.kfold import train_folds
    from training.planning import plan

    file = saved(weights_of("test_resnet"), tmp_path / "w.safetensors")
    config = tiny_config(photos, tmp_path / "run", model_args=NARROW, pretrained=str(file), folds=2)
    for start in (train, plan, train_folds):
        with pytest.raises(WrongInput, match="resnet10t"):
            start(config)
        assert not config.run.exists()


def test_a_training_that_has_begun_needs_its_pretrained_weights_no_more(
    photos: Path, narrow: dict[str, Tensor], tmp_path: Path
) -> None:
    import os
    import signal

    from training.errors import Preempted
    from training.fine_tune import resume, train
    from training.run import TrainingProgress

    def stop(now: TrainingProgress) -> None:
        if (now.stage, now.epoch) == ("scored", 1):
            os.kill(os.getpid(), signal.SIGTERM)

    file = saved(narrow, tmp_path / "w.safetensors")
    whole = train(tiny_config(photos, tmp_path / "whole", model_args=NARROW, pretrained=str(file)))
    config = tiny_config(photos, tmp_path / "run", model_args=NARROW, pretrained=str(file))
    with pytest.raises(Preempted):
        train(config, on_progress=stop)
    file.unlink()
    assert resume(config.run).model.weights == whole.model.weights


def test_a_training_that_begins_again_begins_with_the_very_weights(
    photos: Path, narrow: dict[str, Tensor], tmp_path: Path
) -> None:
    import shutil

    from training.fine_tune import resume, train

    file = saved(narrow, tmp_path / "w.safetensors")
    config = tiny_config(photos, tmp_path / "run", model_args=NARROW, pretrained=str(file), epochs=1)
    train(config)
    (config.run / "model.json").unlink()
    shutil.rmtree(config.run / "checkpoints")
    saved({name: it * 2 for name, it in narrow.items()}, file)
    with pytest.raises(WrongInput, match=r"was changed since .* began with it"):
        resume(config.run)
    saved(narrow, file)
    assert resume(config.run).folder == config.run


def test_random_numbers_go_on_as_without_weights(narrow: dict[str, Tensor], tmp_path: Path) -> None:
    import torch

    from training.model.network import create_network

    file = saved(narrow, tmp_path / "w.safetensors")
    drawn = []
    for pretrained in ("none", str(file)):
        torch.manual_seed(3)
        create_network(tiny_config(tmp_path, tmp_path / "run", model_args=NARROW, pretrained=pretrained), 3)
        drawn.append(torch.rand(4))
    assert torch.equal(*drawn)


@pytest.mark.parametrize(
    ("changed", "setting"),
    [
        ({"pool": "avg"}, "pool"),
        ({"model_args": {"global_pool": "avg"}}, "model_args' global_pool"),
        ({"pool": "avg", "model_args": {"drop_rate": 0.1}}, "pool"),
        ({"model_args": {"img_size": 64, "depth": 8}}, "model_args' depth"),
        ({"model_args": {"depth": 5}}, "model_args' depth"),
    ],
)
def test_a_setting_that_adds_layers_is_blamed_and_not_weights_that_are_whole(
    changed: dict[str, Any], setting: str, tmp_path: Path
) -> None:
    model = "test_vit"
    file = saved(weights_of(model, img_size=32), tmp_path / "w.safetensors")
    begun(file, tmp_path, model=model)
    with pytest.raises(
        WrongInput, match=rf"^{setting} = \w+: .*w.safetensors (lacks|holds more than) .* Leave {setting} out, or, to"
    ):
        begun(file, tmp_path, model=model, **changed)
    _, found = begun(file, tmp_path, model=model, pretrained_strict=False, **changed)
    assert found.random or found.left_out


def test_weights_that_lack_a_part_whatever_is_set_are_blamed_themselves(tmp_path: Path) -> None:
    tensors = weights_of("test_vit", img_size=32)
    file = saved({name: it for name, it in tensors.items() if "blocks.0" not in name}, tmp_path / "w.safetensors")
    with pytest.raises(WrongInput, match=r"lacks .* Give weights of the whole network, or, to train"):
        begun(file, tmp_path, model="test_vit", pool="avg")
