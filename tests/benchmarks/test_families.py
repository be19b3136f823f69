"""Networks of every kind go the whole way: trained a step, evaluated, packaged, served with the probabilities of predict.

One small network for each kind of head, features and sizes that timm's families have; `python -m benchmarks.families` takes
one model of each of its families, and docs/results/families.md has what it found.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.torch,
    # Networks that keep what they computed of their weights; torch says so when it exports them.
    pytest.mark.filterwarnings("ignore:The tensor attribute:UserWarning"),
]


@dataclass(frozen=True)
class Kind:
    """A network, and why it is here."""

    why: str
    model: str
    model_args: dict[str, object] = field(default_factory=dict)
    image_size: int = 32
    settings: dict[str, object] = field(default_factory=dict)
    openvino: bool = True
    no_openvino: str | None = None  # a part of the sentence


KINDS = [
    Kind("one linear layer", "test_resnet", settings={"crop_mode": "border"}),
    Kind("a convolution for a head", "dla46x_c"),
    Kind("positions that are resampled for each image", "test_vit", no_openvino="_upsample_bicubic2d_aa"),
    Kind("two layers, averaged", "deit_tiny_distilled_patch16_224", {"depth": 1, "embed_dim": 24}, settings={"crop_mode": "squash"}),
    Kind("two layers, each with a norm", "levit_128s", {"embed_dim": [16, 32, 48], "depth": [1, 1, 1], "num_heads": [1, 2, 3]}, 64),
    Kind("a module of two layers with norms", "repvit_m0_9", {"embed_dim": [8, 16, 24, 32], "depth": [0, 0, 1, 0]}),
    Kind("one size only", "efficientformer_l1", {"embed_dims": [8, 16, 24, 32], "depths": [1, 1, 1, 1]}, 224),
    Kind("a list of layers", "crossvit_9_240", {"embed_dim": [16, 32], "num_heads": [2, 2], "depth": [[1, 1, 0]] * 3}, 240),
    Kind("wrong in OpenVINO for one image", "efficientvim_m1", no_openvino="for one image at a time"),
    Kind("a hidden layer and a norm", "caformer_s18", openvino=False),
    Kind("a layer over patches beside", "volo_d1_224", settings={"crop_pct": 1.15}, openvino=False),
    Kind("layers that share weights", "coat_lite_tiny", {"embed_dims": [64, 64, 64, 64], "serial_depths": [2, 1, 1, 1]}),
    Kind("channels last, windows", "swin_tiny_patch4_window7_224", {"depths": [1, 1, 1, 1], "embed_dim": 16, "num_heads": [1, 1, 1, 1]}, 64),
    Kind("any shape", "naflexvit_base_patch16_parfac_gap", {"depth": 1, "embed_dim": 24}),
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.model)
def test_a_network_is_trained_evaluated_packaged_and_served_as_predict_says(kind: Kind, tmp_path: Path) -> None:
    from benchmarks.families.journey import SAME, settings, travel, write_photos
    from training.settings.config import make_config

    level = logging.root.level
    photos = write_photos(tmp_path / "photos")
    values = {**settings(photos, tmp_path), "model": kind.model, "model_args": kind.model_args, **kind.settings}
    found = travel(make_config({**values, "image_size": kind.image_size}), openvino=kind.openvino)
    assert found.refused is None
    assert logging.root.level == level, "no log of this process is lost"
    assert found.trained
    assert found.served is not None
    assert found.apart is not None
    assert found.apart > 0.1, "else any server would agree"
    assert found.served <= SAME
    if kind.no_openvino is not None:
        assert found.no_openvino is not None
        assert kind.no_openvino in found.no_openvino
    elif kind.openvino:
        assert found.openvino is not None, found.no_openvino
        assert found.openvino <= SAME


def test_the_page_counts_what_came_through_and_shows_every_sentence() -> None:
    from benchmarks.families.__main__ import page

    usual = {
        "models": 10, "encoders": [], "model": "one", "model_args": {}, "image_size": 32, "trained": True, "apart": 0.5, "served": 1e-7,
        "openvino": 2e-7, "explained": True, "refused": None, "no_openvino": None, "seconds": 3.0,
    }  # fmt: skip
    rows = {
        "whole": usual,
        "off": {**usual, "openvino": 2e-4, "model_args": {"depth": 2}},
        "odd": {**usual, "openvino": None, "no_openvino": "OpenVINO cannot run odd.", "encoders": ["odd_enc"]},
        "none": {**usual, "trained": False, "served": None, "openvino": None, "refused": "It takes no step."},
    }
    text = "\n".join(
        page(
            rows,
            {"cores": 2, "cpu": "a CPU", "memory_gib": 8, "system": "Linux", "timm": "1", "torch": "2"},
            "python -m x",
        )
    )
    for line in (
        "| trained and evaluated | 3 |", "| served by torch with the probabilities of `podium predict`, to 0.0001 | 3 |",
        "| served by OpenVINO with them, to 0.0001; 4 were tried | 1 |", "| refused | 1 |", "| odd | OpenVINO cannot run odd. |",
        "| none | It takes no step. |", "`one` {'depth': 2}", "Of the 40 models of these families, 1",
    ):  # fmt: skip
        assert line in text
