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
