"""Wrong settings are refused before a photo is read and before the run folder is claimed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.training.conftest import tiny_config
from training.errors import TrainingError, WrongInput

if TYPE_CHECKING:
    from training.run import TrainingProgress

pytestmark = pytest.mark.torch

PLAIN_CNN: dict[str, object] = {"model": "plain_cnn", "model_args": {"widths": [8], "repeats": 1, "dense": []}}


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"optimizer": "admw"}, r"timm has no optimizer 'admw'\. Near names: adamw"),
        ({"optimizer": "lookahead_admw"}, r"'lookahead_admw'\. Near names: lookahead_adamw"),
        ({"optimizer": "lookahed_sgd"}, r"timm has no optimizer 'lookahed_sgd'\. Near names: lookahead_sgd"),
        ({"optimizer": "foo_sgd"}, r"timm has no optimizer 'foo_sgd'\. Near names: "),
        ({"optimizer": "lookahead_foo_sgd"}, r"'lookahead_foo_sgd'\. Near names: lookahead_"),
        ({"optimizer": "_sgd"}, r"'_sgd'\. Near names: sgd"),
        ({"device": "hpu"}, r"device = 'hpu': this machine has none that torch can use\. Give auto or cpu"),
        ({"device": "privateuseone:0"}, r"device = 'privateuseone:0': this machine has none that torch can use"),
        ({"device": "meta"}, r"device = 'meta': this machine has none that torch can use\. Give auto or cpu"),
        ({"device": "mkldnn"}, r"device = 'mkldnn': this machine has none"),
        ({"optimizer": "kron"}, "no checkpoint can hold its state"),
        ({"freeze": "stages:99"}, r"freeze = 'stages:99': this model has \d+ stages"),
        ({"rand_augment": "nonsense"}, "rand_augment = 'nonsense'"),
        ({"rand_augment": "rand-m9", "cache": "device"}, "takes one photo at a time"),
    ],
)
def test_a_setting_that_cannot_be_leaves_photos_unread_and_the_run_folder_free(
    photos: Path, tmp_path: Path, changed: dict[str, object], sentence: str
) -> None:
    from training.fine_tune import train

    seen: list[TrainingProgress] = []
    with pytest.raises(WrongInput, match=sentence):
        train(tiny_config(photos, tmp_path / "run", **changed), on_progress=seen.append)
    assert not seen
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("policy", ["none", "norm", "body", "stages:1"])
def test_a_check_leaves_the_network_as_it_was(photos: Path, tmp_path: Path, policy: str) -> None:
    import torch

    from training.model.network import create_network
    from training.preparing.checking import check_settings

    config = tiny_config(photos, tmp_path / "run", freeze=policy, freeze_epochs=1, lr="auto")
    network = create_network(config, 3)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    drawn = torch.get_rng_state()
    check_settings(config, network, 3)
    assert torch.equal(torch.get_rng_state(), drawn)
    assert all(parameter.requires_grad for parameter in network.parameters())
    assert all(module.training for module in network.modules())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_a_run_folder_is_free_if_nothing_lies_in_it(tmp_path: Path) -> None:
    from training.run import check_free

    check_free(tmp_path / "nowhere")
    check_free(tmp_path)
    (tmp_path / "file").touch()
    for occupied in (tmp_path, tmp_path / "file"):
        with pytest.raises(WrongInput, match=r"is not empty\. Choose another run folder"):
            check_free(occupied)


def test_random_weights_that_nobody_meant_cause_one_warning(photos: Path, tmp_path: Path) -> None:
    from training.fine_tune import train

    notes: list[str] = []
    train(tiny_config(photos, tmp_path / "run", epochs=1), on_note=notes.append)
    [found] = [note for note in notes if note.startswith("pretrained = ")]
    assert found == (
        "pretrained = none (resnet10t starts from random weights, though timm has trained ones: type pretrained=hub to"
        " start from those)"
    )


@pytest.mark.parametrize("changed", [PLAIN_CNN, {"pretrained": "hub"}, {"recipe": "cnn"}])
def test_random_weights_that_are_meant_or_have_no_better_cause_no_warning(
    tmp_path: Path, changed: dict[str, object]
) -> None:
    from training.preparing.checking import random_weights_note

    assert random_weights_note(tiny_config(tmp_path, tmp_path, **changed)) is None
    note = random_weights_note(tiny_config(tmp_path, tmp_path, recipe="quick"))
    assert note is not None, "the recipe means weights of the hub"


def test_weights_that_cannot_be_downloaded_name_the_ways_without_a_network(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub.constants

    import training
    from training.settings.layering import layered
    from training.settings.words import Words

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    assert layered(Words(str(photos))).recipe == "balanced"
    with pytest.raises(TrainingError) as caught:
        training.train(photos, run=tmp_path / "run", threads=1)
    sentence = str(caught.value)
    assert "The pretrained weights of mobilenetv4_conv_medium.e500_r256_in1k could not be downloaded" in sentence
    assert "pretrained=weights.safetensors" in sentence
    assert "`podium train quick DATA pretrained=none`" in sentence
    assert not (tmp_path / "run").exists()
