"""What a network refuses is said before a photo is read, and the sentence names the setting."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.training.conftest import tiny_config
from training.errors import WrongInput

pytestmark = pytest.mark.torch

RESNET: dict[str, object] = {"model": "test_resnet", "model_args": {}, "image_size": 32}
VIT: dict[str, object] = {"model": "test_vit", "model_args": {}, "image_size": 32}
WRONG: list[tuple[dict[str, object], str]] = [
    ({**RESNET, "batch_size": 1}, r"batch_size = 1: .*more than 1 value per channel.*\. Use 2 or more\."),
    ({"model": "inception_v3", "model_args": {}}, r"image_size = 32: .*\. Use image_size = 299\."),
    ({**RESNET, "model": "xcit_nano_12_p8_224", "image_size": 33}, r"image_size = 33: .*\. Use image_size = 64\."),
    ({"model": "inception_v3", "model_args": {}, "image_size": 96, "train_size": 64}, r"train_size = 64: .*\. Leave train_size out\."),
    ({**RESNET, "model": "crossvit_9_240", "image_size": 224}, r"image_size = 224: .*\. Use image_size = 240\."),
    ({**RESNET, "model": "levit_128s", "pool": "max"}, r"pool = max: .*Only avg pooling.*\. Leave pool out\."),
    ({**VIT, "pool": "catavgmax"}, r"pool = catavgmax: .*\. Leave pool out\."),
    ({**RESNET, "model_args": {"in_chans": 1}}, r"model_args = \{'in_chans': 1\}: .*3 channels.*\. Leave in_chans out\."),
    ({**RESNET, "model_args": {"features_only": True}}, r"model_args: features_only = True may not be set, .*\. Take it out\."),
    ({**RESNET, "model_args": {"num_classes": 7}}, r"model_args: num_classes = 7 may not be set: the classes decide it\. Take it out\."),
    ({**RESNET, "model_args": {"num_classes": 3}}, r"model_args: num_classes = 3 may not be set: the classes decide it\. Take it out\."),
    ({**RESNET, "pool": "max", "model_args": {"global_pool": "avg"}}, r"pool = max and model_args' global_pool = avg are the same thing\. Leave global_pool out"),
    ({**RESNET, "drop_path": 0.1, "model_args": {"drop_path_rate": 0.2}}, r"drop_path = 0\.1 and model_args' drop_path_rate = 0\.2 are the same thing"),
    ({**RESNET, "model_args": {"global_pool": ""}}, r"'global_pool': ''\}.*\. Leave global_pool out\."),
    ({**RESNET, "model_args": {"block_args": None, "depth": 3}}, r"'depth': 3\}: .*unexpected.*\. Leave depth out\."),
    ({**RESNET, "model": "resnet18", "model_args": {"layers": [1, 1]}}, r"\[1, 1\]\}: .*code does not take such a network\)\. Leave layers out"),
    ({**RESNET, "model_args": {"one": 1, "two": 2}}, r"model_args = \{'one': 1, 'two': 2\}: .*\. Leave them out\."),
    ({"model": "inception_v3", "model_args": {"aux_logits": True}, "image_size": 299}, r"it gives a .*, not one tensor of logits\)\. Leave aux_logits out\."),
    ({**RESNET, "model": "mobilenetv5_300m_enc"}, r"model = mobilenetv5_300m_enc: .*has no classifier.*\. Choose another model\."),
    ({**VIT, "model_args": {"depth": 16_000}}, r"model_args = \{'depth': 16000\}: .*more than 20,000 layers and parameters\)\. Leave depth out\."),
    ({**RESNET, "model": "resnet18", "model_args": {"layers": [9_000, 9_000, 9_000, 9_000]}}, "more than 20,000 layers .*Leave layers out"),
    ({**RESNET, "crop_pct": 16.5}, "crop_pct = 16.5"),
    ({**RESNET, "seed": 2**32}, "seed = 4294967296"),
]  # fmt: skip


@pytest.mark.parametrize(("changed", "sentence"), WRONG)
def test_what_a_network_refuses_is_told_by_its_setting_before_a_photo_is_read(
    photos: Path, tmp_path: Path, changed: dict[str, object], sentence: str
) -> None:
    from training.fine_tune import train

    with pytest.raises(WrongInput, match=sentence):
        train(tiny_config(photos, tmp_path / "run", **changed), on_progress=lambda now: pytest.fail(str(now)))
    assert not (tmp_path / "run").exists()


def test_a_plan_refuses_what_the_training_would(photos: Path, tmp_path: Path) -> None:
    from training.planning import plan

    with pytest.raises(WrongInput, match=r"batch_size = 1: "):
        plan(tiny_config(photos, tmp_path / "run", **RESNET, batch_size=1))


@pytest.mark.parametrize("precision", ["auto", "fp32", "bf16"])
def test_a_trial_leaves_network_and_random_numbers_as_they_were(tmp_path: Path, precision: str) -> None:
    import torch

    from training.model.network import create_network
    from training.preparing.trial import try_step

    config = tiny_config(tmp_path, tmp_path / "run", dropout=0.5, precision=precision)
    network = create_network(config, 3)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    drawn = torch.get_rng_state()
    try_step(config, network, 3)
    assert torch.equal(torch.get_rng_state(), drawn)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())


def test_one_photo_a_step_is_enough_for_a_network_without_batch_norm(photos: Path, tmp_path: Path) -> None:
    from training.preparing.checking import check_alone

    check_alone(tiny_config(photos, tmp_path / "run", **VIT, batch_size=1))


def test_what_trains_is_loaded_again_whatever_shapes_it(photos: Path, tmp_path: Path) -> None:
    from training.fine_tune import train
    from training.model.network import load_run

    shaping = {"in_chans": 3, "drop_rate": 0.2, "drop_path_rate": 0.1, "global_pool": "max", "stem_width": 8}
    config = tiny_config(photos, tmp_path / "run", **{**RESNET, "model_args": shaping, "epochs": 1})
    network, facts = load_run(train(config).folder)
    assert facts.model_args == shaping
    assert network.global_pool.pool_type == "max"  # type: ignore[union-attr]
