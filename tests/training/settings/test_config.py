"""The settings of a training: one frozen record, and errors that name the nearest."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from training.errors import WrongInput
from training.settings.config import TrainConfig, checked, make_config, read_config, write_config
from training.settings.settled import Settled


def settings(**changed: object) -> dict[str, object]:
    return {"data": "photos", "run": "runs/one"} | changed


@pytest.mark.parametrize(
    ("wrong", "right"), [("epoch", "epochs"), ("freezeepochs", "freeze_epochs"), ("imagesize", "image_size")]
)
def test_an_unknown_setting_is_refused_with_the_nearest_name(wrong: str, right: str) -> None:
    with pytest.raises(WrongInput) as refusal:
        make_config(settings(**{wrong: 1}))
    assert str(refusal.value) == f"there is no setting {wrong!r}. Did you mean {right!r}?"


@pytest.mark.parametrize(
    ("name", "value"),
    [("epochs", 0), ("lr", 0), ("lr", float("nan")), ("image_size", "big"), ("validation_share", 1), ("seed", -1)],
)
def test_a_wrong_value_is_refused_with_its_name_in_one_line(name: str, value: object) -> None:
    with pytest.raises(WrongInput) as refusal:
        make_config(settings(**{name: value}))
    assert str(refusal.value).startswith(f"{name} = {value!r}: ")
    assert "\n" not in str(refusal.value)


def test_settings_are_frozen() -> None:
    config = make_config(settings())
    with pytest.raises(ValidationError):
        config.epochs = 3  # type: ignore[misc]


def test_what_ends_early_does_so_and_all_else_stays() -> None:
    """Epochs 7 to 10 are without mixing, 9 and 10 also without augmentation; crops, flips and shifts stay."""
    augmentation = {"rotation": 15, "zoom": 0.1, "brightness": 0.1, "contrast": 0.1, "saturation": 0.1,
                    "rand_augment": "rand-m9", "random_erasing": 0.3, "noise": 0.1}  # fmt: skip
    mixing = {"mixup": 0.2, "cutmix": 1.0}
    given = settings(epochs=10, mix_off_epochs=4, augment_off_epochs=2, shift=0.1, vertical_flip=0.5, min_scale=0.5)
    values: dict[str, object] = {
        **given,
        "precision": "fp32",
        "threads": 1,
        "workers": 0,
        "cache": "files",
        "lr": 0.1,
        "batch_size": 4,
    }
    whole, unmixed, plain = (checked(Settled, values | more) for more in (mixing | augmentation, augmentation, {}))
    assert [whole.in_epoch(epoch) for epoch in (1, 6)] == [whole] * 2
    assert [whole.in_epoch(epoch) for epoch in (7, 8)] == [unmixed] * 2
    assert [whole.in_epoch(epoch) for epoch in (9, 10)] == [plain] * 2


def test_settings_survive_their_file(tmp_path: Path) -> None:
    config = make_config(settings(model_args={"channels": [8, 16]}, ema_decay=0.99, run=tmp_path))
    write_config(config, tmp_path / "config.yaml")
    assert read_config(tmp_path / "config.yaml") == config


@pytest.mark.parametrize("content", ["", "- a list", "{: broken"])
def test_a_file_that_holds_no_settings_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "config.yaml").write_text(content)
    with pytest.raises(WrongInput):
        read_config(tmp_path / "config.yaml")


def test_the_demo_and_the_tiny_recipe_are_whole_configs() -> None:
    from training.demo import DEMO, TINY

    for recipe in (DEMO, TINY):
        assert TrainConfig.model_validate(recipe.model_dump()) == recipe
