"""A recipe and an archive may set what shapes a network, and nothing that names weights, files or addresses."""

from __future__ import annotations

from typing import Any

import pytest

from inference.archive.model_args import WrongModelArgs, check_model_args


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"channels": [8, 16, 24, 32], "stem_width": 8, "act_layer": "gelu", "global_pool": "", "qkv_bias": True},
        {"img_size": [224, 160], "init_values": 1e-6, "class_token": None, "rope_temperature": 10_000.0},
        {"norm_kwargs": {"eps": 1e-12}, "pretrained_window_sizes": [12, 12, 12, 6], "drop_path": 0.1},
        {"depths": (2, 2, 6, 2)},
    ],
)
def test_what_shapes_a_network_may_be_set(arguments: dict[str, Any]) -> None:
    check_model_args(arguments)


@pytest.mark.parametrize(
    "name",
    [
        "pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "pretrained_strict", "pretrained_model_args",
        "checkpoint_path", "cache_dir", "pruned", "file", "url", "hf_hub_id", "model_name", "model_cfg", "features_only",
        "feature_cls", "out_indices", "device", "dtype",
    ],
)  # fmt: skip
@pytest.mark.parametrize("value", [True, 1, "hub", {"url": "http://127.0.0.1/weights.pth"}])
def test_what_loads_or_places_weights_may_not_be_set_whatever_its_value(name: str, value: object) -> None:
    with pytest.raises(WrongModelArgs, match=rf"model_args: {name} = .* may not be set"):
        check_model_args({name: value})
    with pytest.raises(WrongModelArgs, match=rf"model_args: {name} = .* may not be set"):
        check_model_args({"norm_kwargs": {name: value}})


@pytest.mark.parametrize(
    "value",
    [
        "http://127.0.0.1/weights.pth", "hf-hub:somebody/something", "local-dir:/tmp/model", "/etc/passwd", "../weights",
        "weights.pt", "two words", "a" * 65, "line\nline", "ünwort", 16_385, -16_385, 10**30, 2e6, float("nan"),
        float("inf"), b"bytes", {1, 2}, {"two words": 1}, {1: 2}, {"__class__": 1}, [[[[1]]]], {"a": {"b": {"c": 1}}},
        [1] * 257, [*["gelu"] * 3, "../gelu"],
    ],
    ids=lambda value: repr(value)[:30],
)  # fmt: skip
def test_values_that_are_no_plain_ones_may_not_be_set(value: object) -> None:
    with pytest.raises(WrongModelArgs, match="model_args"):
        check_model_args({"channels": value})


@pytest.mark.parametrize("value", [2, 3, None, True])
def test_the_number_of_classes_is_nobodys_to_set(value: object) -> None:
    with pytest.raises(
        WrongModelArgs, match=rf"num_classes = {value} may not be set: the classes decide it\. Take it out"
    ):
        check_model_args({"num_classes": value})


def test_the_sentence_names_the_argument_and_shortens_its_value() -> None:
    with pytest.raises(WrongModelArgs) as caught:
        check_model_args({"stem_type": "x" * 5_000_000})
    assert str(caught.value).startswith("model_args: stem_type is 'xxx")
    assert "expected a whole number up to 16,384" in str(caught.value)
    assert len(str(caught.value)) < 300


def test_mappings_that_hold_themselves_are_refused() -> None:
    endless: dict[str, object] = {}
    endless["kwargs"] = endless
    with pytest.raises(WrongModelArgs, match="nested deeper than 3 times"):
        check_model_args(endless)
