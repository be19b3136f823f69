"""What a setting may be, in words: no message of the library that checks it reaches a person."""

from __future__ import annotations

import math

import pytest

from training.errors import WrongInput
from training.settings.allowed import allowed
from training.settings.config import TrainConfig, make_config

WRONG: tuple[object, ...] = (
    -1,
    0,
    1,
    1.5,
    1e9,
    1e300,
    -math.inf,
    math.inf,
    math.nan,
    "",
    "no",
    None,
    True,
    [],
    [1],
    {},
    {"a": 1},
    10**40,
)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("epochs", "a whole number (at least 1) or auto"),
        ("train_size", "a whole number (at least 16 and at most 1024) or none"),
        ("momentum", "a number (at least 0 and under 1)"),
        ("pool", "avg, max, avgmax, catavgmax or none"),
        ("compile", "true or false"),
        ("run", "a path"),
        ("pretrained", "none (random), hub (downloaded), or the path of a weights file"),
        ("device", "auto, cpu, cuda, cuda:1 or mps"),
    ],
)
def test_the_words_are_those_of_its_type(name: str, words: str) -> None:
    assert allowed(TrainConfig.model_fields[name]) == words


@pytest.mark.parametrize("name", TrainConfig.model_fields)
def test_any_value_of_any_setting_is_taken_or_refused_with_what_it_may_be(name: str) -> None:
    for value in WRONG:
        try:
            make_config({"data": "photos", "run": "run", name: value})
        except WrongInput as refused:
            sentence = str(refused)
            assert sentence.startswith((f"{name} = {value!r}: give ", "fold", "validation_share", "freeze")), sentence
            assert not any(word in sentence for word in ("Input should", "validation error", "pydantic", "finite"))


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("brightness", 1e300, "a number (at least 0 and at most 10)"),
        ("noise", 1e300, "a number (at least 0 and at most 1)"),
        ("max_aspect", 1e300, "a number (at least 1 and at most 100)"),
        ("zoom", 0.999999, "a number (at least 0 and at most 0.9)"),
        ("layer_decay", 1e-300, "a number (at least 0.01 and at most 1) or none"),
        ("body_lr_scale", 1e-300, "a number (at least 1e-06 and at most 1)"),
        ("threads", 10**9, "a whole number (at least 1 and at most 256) or none"),
        ("workers", 10**9, "a whole number (at least 0 and at most 256) or auto"),
        ("weight_decay", 1e300, "a number (at least 0 and at most 100)"),
        ("weight_decay", 1e38, "a number (at least 0 and at most 100)"),
        ("focal_gamma", 1e300, "a number (at least 0 and at most 100)"),
        ("hours", 1e300, "a number (above 0 and at most 10000) or none"),
        ("seed", 2**32, f"a whole number (at least 0 and under {2**32})"),
    ],
)
def test_a_number_with_which_a_training_would_end_in_a_traceback_is_out_of_range(
    name: str, value: float, words: str
) -> None:
    """1e300 is no number for torch, 10**9 processes are no training, and 0.999999 of zoom is an image of petabytes."""
    with pytest.raises(WrongInput) as refused:
        make_config({"data": "photos", "run": "run", name: value})
    assert str(refused.value) == f"{name} = {value!r}: give {words}."


@pytest.mark.parametrize("name", TrainConfig.model_fields)
def test_no_setting_is_only_a_word(name: str) -> None:
    assert "a word" not in allowed(TrainConfig.model_fields[name])
